"""What can be run: each fault of a playbook is told, with the job and the key it is in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podium.dialects.diastema import structure
from podium.dialects.diastema.playbook import read
from podium.dialects.diastema.reading import Reader, recognises
from podium.errors import DocumentRefused
from tests.dialects.diastema.playbooks import ingestion, job, playbook


def faults(*jobs: dict[str, Any], **changes: Any) -> list[str]:
    return [f"{one.where}: {one.what}" for one in structure.check(read(playbook(*jobs, **changes)))]


def chain(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    """dataset -> cleaning -> data-sink, some of them changed."""
    jobs = {1: job(1, "dataset", 0, [2]), 2: job(2, "cleaning", 1, [3]), 3: job(3, "data-sink", 2)}
    for one in changed:
        jobs[one["step"]] = one
    return list(jobs.values())


def test_a_good_one_has_none() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (job(2, "cleansing", 1, [3]), "jobs[1] (step 2).title: there is no job called 'cleansing'"),
        (job(2, "cleaning", [1, 2], [2, 3]), "wait for each other in a circle"),
        (job(2, "cleaning", 1, [3, 9]), "jobs[1] (step 2).next: there is no step 9"),
        (job(2, "cleaning", 9, [3]), "jobs[1] (step 2).from: there is no step 9"),
        (job(2, "cleaning", 1, [0]), "jobs[2] (step 3).from: names step 2, whose `next` does not name step 3"),
        (job(3, "data-sink", 1), "jobs[1] (step 2).next: names step 3, whose `from` does not name step 2"),
        (job(2, "cleaning", 0, [3]), "jobs[1] (step 2).from: a cleaning takes an input, not none"),
        (job(2, "data-join", 1, [3]), "jobs[1] (step 2).from: a data-join takes 2 inputs, not 1"),
        (job(1, "dataset", 3, [2]), "jobs[0] (step 1).from: a dataset takes no input, not 1"),
        (job(2, "data-sink", 1, [3]), "jobs[2] (step 3).from: step 2 is a data-sink, which gives no data"),
        (job(1, "dataset", 0, [2], label=None), "jobs[0] (step 1).label: is missing"),
        (job(1, "dataset", 0, [2], label="../up"), "jobs[0] (step 1).label: '../up' cannot be part of a path"),
        (job(2, "classification", 1, [3], column=None), "jobs[1] (step 2).column: is missing"),
        (job(2, "classification", 1, [3], column="c" * 1001), "jobs[1] (step 2).column: is longer than 1000 bytes"),
        (job(2, "clustering", 1, [3], algorithm="a" * 1001), "jobs[1] (step 2).algorithm: is longer than 1000 bytes"),
        (job(2, "classification", 1, [3], params=[1]), "jobs[1] (step 2).params: must be a mapping"),
        (job(2, "classification", 1, [3], automl="yes"), "jobs[1] (step 2).automl: must be true or false"),
        (job(2, "cleaning", 1, [3], id=None), "jobs[1] (step 2).id: must be a number or text"),
        (job(2, "cleaning", [], [3]), "jobs[1] (step 2).from: names no step"),
        (job(2, "cleaning", [0, 1], [3]), ""),
        (job(2, "cleaning", 1, [3], params={"a": {"$secret": "b"}}), "jobs[1] (step 2): $secret"),
    ],
)
def test_each_fault_names_job_and_key(changed: dict[str, Any], said: str) -> None:
    found = faults(*chain(changed))
    assert any(said in fault for fault in found) if said else not found, found


def test_doubled_steps_are_refused_whatever_they_are_written_as() -> None:
    assert "jobs[3] (step 2).step: jobs[1] has it already" in faults(*chain(), job("2", "dataset"))


def test_a_cycle_is_told_in_its_order() -> None:
    circle = [job(2, "cleaning", [4], [3]), job(3, "cleaning", 2, [4]), job(4, "cleaning", 3, [2])]
    [fault] = faults(job(1, "dataset"), *circle)
    assert fault.startswith("jobs[")
    told = fault.partition("the steps ")[2].partition(" wait")[0]
    assert told in ("2 -> 3 -> 4 -> 2", "3 -> 4 -> 2 -> 3", "4 -> 2 -> 3 -> 4")


def test_every_fault_is_told_at_once() -> None:
    found = faults(*chain(job(2, "cleansing", 7, [8]), job(3, "data-sink", 9)), **{"database-id": "no bucket!"})
    assert len(found) == 3
    assert found[0].startswith("database-id: 'no bucket!' cannot be the name of an organisation")


@pytest.mark.parametrize("key", ["analysis-id", "database-id", "jobs", "metadata"])
def test_top_keys_must_be_there(key: str) -> None:
    given = {name: value for name, value in playbook().items() if name != key}
    assert f"{key}: is missing" in [str(one) for one in structure.check(read(given))]


def test_ids_may_be_doubled_and_parts_may_hang_alone() -> None:
    assert faults(*chain(), job(7, "dataset", 0, [8], id="Job-1"), job(8, "data-sink", 7, id="Job-1")) == []


def test_the_run_that_is_asked_for() -> None:
    submission = Reader(60.0).read(json.dumps(playbook()).encode())
    assert (submission.kind, submission.name, submission.lane) == ("diastema.analysis", "a1f", "diastema metis/a1f")
    assert submission.id.startswith("a1f-")
    flow = submission.document["flow"]
    assert {name: one["after"] for name, one in flow["jobs"].items()}["14"] == ["12", "13"]
    assert flow["jobs"]["apart"]["kind"] == "diastema.dataset"
    assert flow["last"]["kind"] == "diastema.end"
    assert submission.document["diastema"]["metadata"] == {"any": ["JSON", 1]}


def test_the_token_is_not_kept() -> None:
    for given in (playbook(), ingestion()):
        assert given["diastema-token"] not in json.dumps(Reader(60.0).read(json.dumps(given).encode()).document)


def test_what_may_be_secret_in_an_ingestion_is_put_away() -> None:
    given = ingestion()
    given["ingestion_json"] |= {"url": "http://us:pw@data", "query_params": {"api_key": "k1", "page": "1"}}
    submission = Reader(60.0).read(json.dumps(given).encode())
    assert set(submission.secrets.values()) == {"http://us:pw@data", "k1"}
    source = submission.document["flow"]["jobs"]["ingest"]["call"]["ingestion_json"]
    assert source["query_params"]["page"] == "1"
    assert source["query_params"]["api_key"] == {"$secret": f"{submission.id}.1"}


def test_an_ingestion_tells_its_faults_too() -> None:
    given = {**ingestion(**{"dataset-label": "a/b"}), "ingestion_json": "http://x", "testing": "no"}
    del given["user"]
    with pytest.raises(DocumentRefused) as refused:
        Reader(60.0).read(json.dumps(given).encode())
    assert {one.where for one in refused.value.faults} == {"user", "testing", "dataset-label", "ingestion_json"}


def test_documents_are_recognised() -> None:
    assert recognises(json.dumps(playbook()).encode())
    assert recognises(json.dumps(ingestion()).encode())
    assert not recognises(b'{"jobs": {}}')
    assert not recognises(b"")
