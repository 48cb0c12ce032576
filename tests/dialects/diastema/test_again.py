"""What may be different when an analysis or an ingestion is run again: each fault is told by job and key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podium.dialects.again import resubmission
from podium.dialects.diastema.reading import Reader
from podium.errors import DocumentRefused
from podium.runs.events import Run, RunState, Submission
from tests.dialects.diastema.house import House, house
from tests.dialects.diastema.playbooks import ingestion, job, playbook
from tests.parts.diastema_services import Platform


def book() -> dict[str, Any]:
    model = job(3, "classification", 2, [4], params={"depth": 1}, note="mine")
    return playbook(job(1, "dataset", 0, [2]), job(2, "cleaning", 1, [3]), model, job(4, "data-sink", 3))


def read(given: dict[str, Any]) -> Submission:
    return Reader(60.0).read(json.dumps(given).encode())


def again(made: House, given: dict[str, Any], edits: dict[str, Any]) -> Submission:
    """As the server does it."""
    first = read(given)
    kind = made.dialect.kinds[first.kind]
    kind.check_edits(first.document, edits)
    run = Run(first.id, first.kind, first.name, RunState.FAILED, 1.0)
    new = resubmission(run, first.document, [], start=[], edits=edits, environ=None)
    kind.check(new.document)
    return new


def refused(made: House, given: dict[str, Any], edits: dict[str, Any]) -> list[str]:
    with pytest.raises(DocumentRefused) as error:
        again(made, given, edits)
    faults = error.value.faults
    return [f"{one.where}: {one.what}. {one.hint}" for one in faults] or [str(error.value)]


STAYS = "stays as it is when a playbook is run again. Submit the changed playbook instead"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"2": {"title": "nonsense"}}, [f"jobs[1] (step 2).title: {STAYS}"]),
        ({"2": {"from": 7, "next": [9]}, "3": {"step": 5}}, ["jobs[1] (step 2).from", "jobs[1] (step 2).next"]),
        ({"1": {"label": "../../etc"}}, ["jobs[0] (step 1).label: '../../etc' cannot be part of a path"]),
        ({"1": {"label": ".."}}, ["jobs[0] (step 1).label: '..' cannot be part of a path"]),
        ({"1": {"label": None}}, ["jobs[0] (step 1).label: is missing"]),
        ({"3": {"column": ["a"]}}, ["jobs[2] (step 3).column: must be text"]),
        ({"3": {"params": "deep"}}, ["jobs[2] (step 3).params: must be a mapping of keys to values"]),
        ({"3": {"automl": "yes"}}, ["jobs[2] (step 3).automl: must be true or false"]),
        ({"3": {"id": ""}}, ["jobs[2] (step 3).id: '' is no name"]),
        ({"3": {"params": {"depth": {"$result": "2"}}}}, ["jobs[2] (step 3): $secret, $result and $item stand for"]),
        ({"3": {"params": {"depth": {"$private": "2"}}}}, ["jobs[2] (step 3): $secret, $result and $item stand for"]),
        (
            {"3": {"alghoritm": "fm"}},
            ["jobs[2] (step 3).alghoritm: there is no such key. Did you mean algorithm?"],
        ),
        ({"2": {"zzz": 1}}, ["jobs[1] (step 2).zzz: there is no such key. There are: max-shrink, id, save"]),
        ({"22": {"max-shrink": 1}}, ["edit: there is no job '22'. Did you mean 2?"]),
        ({"last": {"a": 1}}, ["edit: there is no job 'last'"]),
    ],
)
def test_an_edit_that_could_not_have_been_submitted_is_refused(
    at_home: House, edit: dict[str, Any], said: list[str]
) -> None:
    found = refused(at_home, book(), edit)
    assert len(found) >= len(said)
    for one, wanted in zip(found, said, strict=False):
        assert one.startswith(wanted)


def test_every_fault_of_edits_is_told_at_once_in_the_order_of_the_playbook(at_home: House) -> None:
    edits = {"3": {"step": 5, "colum": "x"}, "1": {"title": "cleaning"}}
    found = [one.partition(":")[0] for one in refused(at_home, book(), edits)]
    assert found == ["jobs[0] (step 1).title", "jobs[2] (step 3).step", "jobs[2] (step 3).colum"]


def test_what_jobs_are_told_can_be_edited(at_home: House) -> None:
    edits = {
        "2": {"max-shrink": 0, "save": True},
        "3": {"algorithm": "naive bayes", "params": {"trees": 3}, "note": "ours", "id": "other"},
        "1": {"label": "Tugs"},
    }
    jobs = again(at_home, book(), edits).document["flow"]["jobs"]
    assert jobs["2"]["call"]["max-shrink"] == 0
    assert jobs["3"]["call"]["params"] == {"depth": 1, "trees": 3}
    assert (jobs["3"]["call"]["id"], jobs["1"]["call"]["label"]) == ("other", "Tugs")


def test_what_others_say_in_a_playbook_is_not_taken_for_what_we_know_of_it(at_home: House) -> None:
    given = {**book(), "organisation": "../other", "analysis": "../x"}
    about = read(given).document["diastema"]
    assert (about["organisation"], about["analysis"]) == ("metis", "a1f")
    again(at_home, given, {})


STAYS_INGESTED = "stays as it is when an ingestion is run again. Submit another one"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"ingest": {"label": "other"}}, f"label: {STAYS_INGESTED}"),
        ({"ingest": {"id": "other"}}, f"id: {STAYS_INGESTED}"),
        ({"ingest": {"usr": "other"}}, "usr: there is no such key. Did you mean user?"),
        ({"ingest": {"user": 7}}, "user: must be text"),
        ({"ingest": {"ingestion_json": "http://x"}}, "ingestion_json: must be a mapping of keys to values"),
        ({"ingest": {"ingestion_json": {"url": "http://me:word@x"}}}, "ingestion_json: has what may be secret"),
        ({"ingets": {"user": "other"}}, "edit: there is no job 'ingets'. Did you mean ingest?"),
    ],
)
def test_an_ingestion_keeps_what_it_is(at_home: House, edit: dict[str, Any], said: str) -> None:
    [found] = refused(at_home, ingestion(), edit)
    assert found.startswith(said)


def test_an_ingestion_can_be_made_from_elsewhere(at_home: House) -> None:
    secret = {"url": {"$private": "http://me:word@x"}, "method": "POST"}
    new = again(at_home, ingestion(), {"ingest": {"ingestion_json": secret, "user": "Bo"}})
    source = new.document["flow"]["jobs"]["ingest"]["call"]["ingestion_json"]
    assert (source["method"], source["separator"]) == ("POST", ",")
    assert new.secrets[source["url"]["$secret"]] == "http://me:word@x"


async def test_a_service_that_is_missing_is_told_once_and_where(tmp_path: Path, platform: Platform) -> None:
    async with house(tmp_path, platform, services={"analytics": platform.analytics_url}) as made:
        found = refused(made, book(), {})
        assert found[0].startswith("jobs[1] (step 2).title: nothing stands for the image 'diastema/services'")
        assert "1 other" in found[0]
        assert len(found) == 1
        answer = await made.post("/analysis", book())
        assert answer.json()["where"] == "jobs[1] (step 2).title"
