"""A new run from one that has ended: what it is told anew, and what is forgotten."""

from __future__ import annotations

import pytest

from podium.dialects.again import resubmission
from podium.errors import DocumentRefused
from podium.runs.events import Event, Recorded, Run, RunState

RUN = Run("nightly-0123abcd", "graph.run", "nightly", RunState.SUCCEEDED, 1.0)
DOCUMENT = {
    "flow": {
        "jobs": {
            "load": {"kind": "http", "call": {"url": "http://x/", "body": {"day": 3, "deep": {"a": 1, "b": 2}}}},
            "send": {"kind": "http", "after": ["load"], "call": {"headers": {"A": {"$secret": "nightly-0123abcd.0"}}}},
        },
    },
    "graph": {"directory": "/somewhere"},
    "variables": {"nightly-0123abcd.0": "TOKEN"},
}
DONE = [
    Recorded(n, RUN.id, n, 1.0, Event("job.succeeded", {"at": 1.0, "job": job, "attempt": 1, "result": n}))
    for n, job in enumerate(("load", "send"))
]


def again(start=(), edits=None, environ=None, document=DOCUMENT):
    return resubmission(RUN, document, DONE, start=start, edits=edits or {}, environ=environ)


def test_what_is_edited_is_merged_into_the_call():
    new = again(["load"], {"load": {"body": {"day": 4, "deep": {"b": [1]}}}}, {"TOKEN": "t0ken"})
    assert new.document["flow"]["jobs"]["load"]["call"] == {
        "url": "http://x/",
        "body": {"day": 4, "deep": {"a": 1, "b": [1]}},
    }
    assert new.id.startswith("nightly-")
    assert new.id != RUN.id
    assert (new.kind, new.name) == (RUN.kind, RUN.name)
    assert new.document["restarted"] == {"from": RUN.id, "start": ["load"], "edited": ["load"]}
    assert new.document["graph"] == DOCUMENT["graph"]
    assert DOCUMENT["flow"]["jobs"]["load"]["call"]["body"]["day"] == 3


def test_an_edit_may_have_the_key_of_the_kind_as_the_document_has_it():
    new = again((), {"load": {"http": {"body": {"day": 4}}, "url": "http://y/"}}, {"TOKEN": "t"})
    call = new.document["flow"]["jobs"]["load"]["call"]
    assert (call["url"], call["body"]["day"], call["body"]["deep"]) == ("http://y/", 4, {"a": 1, "b": 2})
    assert "http" not in call


def test_a_reference_is_replaced_and_not_merged():
    new = again((), {"load": {"body": {"$result": "other"}}, "send": {"headers": {}}}, {"TOKEN": "t"})
    assert new.document["flow"]["jobs"]["load"]["call"]["body"] == {"$result": "other"}


def test_variables_are_read_again_for_this_user():
    new = again(["send"], environ={"TOKEN": "another"})
    [(name, value)] = new.secrets.items()
    assert value == "another"
    assert new.document["flow"]["jobs"]["send"]["call"]["headers"]["A"] == {"$secret": name}
    assert new.document["variables"] == {name: "TOKEN"}
    assert new.document["flow"]["reuse"] == {"load": 0}


@pytest.mark.parametrize(
    ("environ", "variables", "said"),
    [
        (None, {"nightly-0123abcd.0": "TOKEN"}, "come over HTTP"),
        ({}, {"nightly-0123abcd.0": "TOKEN"}, "no variable TOKEN"),
        ({"TOKEN": "t"}, {}, "forgotten when the run ended"),
    ],
)
def test_what_cannot_be_known_again_is_told(environ, variables, said):
    with pytest.raises(DocumentRefused, match=said) as refused:
        again(["send"], environ=environ, document={**DOCUMENT, "variables": variables})
    assert refused.value.where == "jobs.send.http.headers.A"


def test_a_secret_comes_with_an_edit():
    new = again(["send"], {"send": {"headers": {"A": {"$private": "new"}}}})
    assert list(new.secrets.values()) == ["new"]


def test_what_is_reused_needs_no_secret():
    assert again().document["flow"]["reuse"] == {"load": 0, "send": 1}


def test_jobs_that_nearly_are_there():
    with pytest.raises(DocumentRefused) as refused:
        again(["laod"], {"sent": {"a": 1}})
    assert [fault.hint for fault in refused.value.faults] == ["Did you mean load?", "Did you mean send?"]


def test_jobs_there_are_not():
    with pytest.raises(DocumentRefused, match=r"from: there is no job .nothing.*edit: there is no job .none"):
        again(["nothing"], {"none": {"a": 1}})
