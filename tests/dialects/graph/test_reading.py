"""What a user writes, and what the engine is given of it; or all that is wrong with it."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import pytest

from podium.dialects.graph.functions import GraphFunctions
from podium.dialects.graph.reading import Reader
from podium.errors import DocumentRefused
from podium.jobs.client import Client
from podium.jobs.http import HttpService
from podium.jobs.pipeline import AnotherRun

NIGHTLY = """
name: nightly
jobs:
  load: {python: {function: "steps:load", arguments: {day: 2026-03-01}}, retry: {attempts: 3}, timeout: 60}
  clean:
    python: {function: "steps:clean", arguments: {rows: {$result: load}}}
  each: {each: clean, python: {function: "steps:one"}}
  notify: {after: [each], http: {url: "http://127.0.0.1:1/done"}, service: mail}
limit: 8
services: {mail: 1}
on_failure: stop
last: {http: {url: "http://127.0.0.1:1/last"}}
"""


@pytest.fixture
async def reader(tmp_path):
    defs = ("x()", "load(day)", "clean(rows)", "one(item)")
    (tmp_path / "steps.py").write_text("\n".join(f"def {each}: ..." for each in defs))
    client = Client()

    def reader(functions: tuple[Path, ...] = ()) -> Reader:
        python = GraphFunctions(functions, tmp_path / "workers")
        kinds = {"http": HttpService(client), "python": python, "run": AnotherRun(None, None)}
        return Reader(kinds, python, time.time)

    yield reader
    await client.close()


@pytest.fixture
def read(reader, tmp_path):
    def read(text: str, filename: str = "graph.yaml", functions: tuple[Path, ...] = ()):
        return reader(functions).read(text.encode(), str(tmp_path / filename) if filename else "")

    return read


def faults(read, text: str, *arguments) -> dict[str, str]:
    with pytest.raises(DocumentRefused) as refused:
        read(text, *arguments)
    if not refused.value.faults:
        return {refused.value.where or "": f"{refused.value.problem}. {refused.value.hint or ''}"}
    return {fault.where: f"{fault.what}. {fault.hint or ''}" for fault in refused.value.faults}


def edited(reader: Reader, document, job: str, call) -> dict[str, str]:
    fresh = copy.deepcopy(document)
    found = fresh["flow"]["last"] if job == "last" else fresh["flow"]["jobs"][job]
    found["call"] |= call
    with pytest.raises(DocumentRefused) as refused:
        reader.check(fresh)
    return {refused.value.where or "": f"{refused.value.problem}. {refused.value.hint}"}


async def test_what_is_edited_is_refused_where_it_would_stand_in_the_document(reader, read):
    document = read(NIGHTLY).document
    assert edited(reader(), document, "load", {"argument": 1}) == {
        "jobs.load.python.argument": "there is no such key. Did you mean arguments?"
    }
    [(where, said)] = edited(reader(), document, "notify", {"http": {"url": "x"}}).items()
    assert where == "jobs.notify.http.http"
    assert said.startswith("there is no such key. There are: method, url, headers, body, form, answer_within,")
    assert edited(reader(), document, "last", {"progress": {"url": "http://x/", "patienc": 1}}) == {
        "last.http.progress.patienc": "there is no such key. Did you mean patience?"
    }


async def test_what_is_written_by_hand_is_what_the_engine_reads(read, tmp_path):
    found = read(NIGHTLY)
    flow = found.document["flow"]
    assert (found.kind, found.name) == ("graph.run", "nightly")
    assert found.id.startswith("nightly-")
    assert found.document["graph"] == {"directory": str(tmp_path)}
    assert flow["jobs"]["load"] == {
        "kind": "python",
        "call": {"function": "steps:load", "arguments": {"day": "2026-03-01"}},
        "retry": {"attempts": 3},
        "timeout": 60.0,
    }
    assert flow["jobs"]["clean"]["after"] == ["load"]
    assert (flow["jobs"]["each"]["after"], flow["jobs"]["each"]["each"]) == (["clean"], "clean")
    assert flow["jobs"]["notify"]["service"] == "mail"
    assert (flow["limit"], flow["services"], flow["on_failure"]) == (8, {"mail": 1}, "stop")
    assert flow["last"]["kind"] == "http"


async def test_the_same_in_json_and_without_a_name(read):
    written = {"jobs": {"a": {"http": {"url": "http://x/"}}, "b": {"after": "a", "http": {"url": "http://x/"}}}}
    found = read(json.dumps(written), "daily.json")
    assert found.name == "daily"
    assert found.document["flow"]["jobs"]["b"]["after"] == ["a"]


async def test_every_fault_is_told_at_once_by_job_and_key(read):
    told = faults(
        read,
        """
        nmae: x
        limit: 0
        jobs:
          load: {pyhton: {function: "steps:load"}}
          none: {}
          both: {http: {url: "http://x/"}, python: {function: "steps:x"}}
          text: clean
          clean: {after: [laod], http: {url: "ftp://x"}, retry: {atempts: 3}, timeout: -1}
          one: {each: cleen, http: {url: "http://x/", body: {$result: lod}}}
          far: {python: {function: "elsewhere:x"}}
          x: {after: [y], http: {url: "http://x/"}}
          y: {after: [x], http: {url: "http://x/"}}
        """,
    )
    assert told["nmae"] == "there is no such key. Did you mean name?"
    assert told["limit"].startswith("must be at least 1")
    assert told["jobs.load.pyhton"] == "there is no such key. Did you mean python?"
    assert told["jobs.none"] == "does not say what to do. Give it one of: http, python, run"
    assert told["jobs.both"].startswith("has 2 kinds: http, python")
    assert told["jobs.text"].startswith("must be a mapping")
    assert told["jobs.clean.after"] == "there is no job 'laod'. Did you mean load?"
    assert "http:// or https://" in told["jobs.clean.http.url"]
    assert told["jobs.clean.retry.atempts"].startswith("there is no such key")
    assert told["jobs.clean.timeout"].startswith("must be greater than 0")
    assert told["jobs.one.each"] == "there is no job 'cleen'. Did you mean clean?"
    assert told["jobs.one.http"] == "there is no job 'lod'. Did you mean load?"
    assert "no module 'elsewhere'" in told["jobs.far.python.function"]
    assert "these jobs wait for each other" in told.get("jobs.x.after", told.get("jobs.y.after", ""))
    assert len(told) == 14, told


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("jobs: []", "jobs", "must be a mapping of names to jobs"),
        ("name: x", "jobs", "is missing"),
        ("jobs: {1: {http: {url: 'http://x/'}}}", "jobs", "the key 1 is not text. Put it in quotes"),
        ("jobs: {a: {http: {url: 'http://x/', body: .nan}}}", "jobs.a.http.body", "must be a finite number"),
        ("jobs: {last: {http: {url: 'http://x/'}}}", "jobs.last", "'last' is the name of the job"),
        ("jobs: {a: {after: [a], http: {url: 'http://x/'}}}", "jobs.a.after", "waits for itself"),
        ("jobs: {a: {http: {url: 'http://x/', body: {$result: 3}}}}", "jobs.a.http", "no way to name a result"),
        ("jobs: {a: {http: {url: 'http://x/', body: [{$outcome: /state}]}}}", "jobs.a.http", "the last job alone"),
        ("jobs: {a: {http: {$secret: other.0}}}", "jobs.a.http", "the secrets of runs have no names"),
        ("jobs: {a: {http: {url: 'http://x/', body: {$env: GONE}}}}", "jobs.a.http.body", "no variable GONE"),
        ("- jobs", "", "not a mapping"),
        ("jobs: {a: [", "", "not YAML"),
    ],
)
async def test_refuses(read, text, where, said):
    assert said in faults(read, text)[where]


async def test_what_aliases_stand_for_counts(read):
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "more than 500000 values" in faults(read, "\n".join(lines))[""]
    assert "more than" in faults(read, "a: &a [*a, *a]")[""] or "deeply" in faults(read, "a: &a [*a, *a]")[""]


async def test_one_of_many_is_given_its_item(read):
    text = """
        jobs:
          load: {python: {function: "steps:load", arguments: {day: 1}}}
          each: {each: load, python: {function: "steps:load", arguments: {day: 1}}}
          one: {python: {function: "steps:one"}}
    """
    assert faults(read, text) == {
        "jobs.each.python.arguments.item": "steps:load has no such argument. It takes day",
        "jobs.one.python.arguments": "steps:one needs 'item'. ",
    }


async def test_functions_of_a_document_that_comes_over_http(read, tmp_path):
    text = "jobs: {a: {python: {function: 'steps:x'}}}"
    assert "--functions DIRECTORY" in faults(read, text, "")["jobs.a.python.function"]
    found = read(text, "", (tmp_path,))
    assert found.document["graph"] == {}


async def test_functions_that_anybody_may_have_written(read, tmp_path):
    tmp_path.chmod(0o777)
    text = "jobs: {a: {python: {function: 'steps:x'}}}"
    assert "where nobody else can write" in faults(read, text)["jobs.a.python.function"]


async def test_private_values_are_not_in_the_document(read, monkeypatch):
    monkeypatch.setenv("TOKEN_OF_TEST", "from the environment")
    found = read("jobs: {a: {http: {url: 'http://x/', headers: {A: {$private: hunter2}, B: {$env: TOKEN_OF_TEST}}}}}")
    assert sorted(found.secrets.values()) == ["from the environment", "hunter2"]
    headers = found.document["flow"]["jobs"]["a"]["call"]["headers"]
    assert [found.secrets[value["$secret"]] for value in headers.values()] == ["hunter2", "from the environment"]
    assert "hunter2" not in json.dumps(found.document)
    assert list(found.document["variables"].values()) == ["TOKEN_OF_TEST"]


async def test_the_environment_is_not_for_strangers(read):
    text = '{"jobs": {"a": {"http": {"url": "http://x/", "body": {"$env": "HOME"}}}}}'
    assert "over HTTP" in faults(read, text, "")["jobs.a.http.body"]


async def test_references_of_another_document_are_its_own(read):
    inner = {"jobs": {"make": {"http": {"url": "http://x/"}}, "use": {"http": {"url": {"$result": "make/url"}}}}}
    call = {"document": inner, "with": {"/name": {"$result": "choose"}}}
    given = {"jobs": {"choose": {"http": {"url": "http://x/"}}, "inner": {"run": call}}}
    flow = read(json.dumps(given), "graph.json").document["flow"]
    assert flow["jobs"]["inner"]["after"] == ["choose"]
    assert flow["jobs"]["inner"]["call"] == call
