"""What is told of the jobs of a run that has ended."""

from __future__ import annotations

from typing import Any

from podium.cli.jobs import TOLD, again, conclude, described, failures, why


def run(**jobs: dict[str, Any]) -> dict[str, Any]:
    counts = dict.fromkeys(
        ("total", "waiting", "running", "retrying", "succeeded", "reused", "failed", "skipped", "cancelled"), 0
    )
    told = {name: {"kind": "python", **job} for name, job in jobs.items()}
    for job in told.values():
        counts[job["state"]] += 1
        counts["total"] += 1
    return {
        "id": "r-1",
        "state": "failed",
        "error": {"reason": "job x failed: no luck"},
        "progress": {"counts": counts, "jobs": told},
        "again": [{}, {"from": ["a b"]}],
    }


def test_each_failure_has_its_reason():
    found = run(a={"state": "failed", "kind": "diastema.cleaning", "reason": "no luck\nat all"})
    assert list(failures(found, "")) == ["a cleaning: no luck\nat all"]
    found = run(a={"state": "failed", "reason": "no luck\nat all"}, b={"state": "failed", "items": 3, "failed": 2})
    assert list(failures(found, "")) == ["a: no luck ...", "b (2 of 3 items): "]
    assert why(found) == ""
    assert why(found | {"state": "cancelled"}) == "job x failed: no luck"


def test_of_many_failures_the_first_are_told_and_where_the_rest_is():
    found = run(**{f"j{n}": {"state": "failed", "reason": "no"} for n in range(TOLD + 3)})
    told = list(failures(found, " --data d"))
    assert len(told) == TOLD + 1
    assert told[-1] == "and 3 more: podium jobs r-1 --state failed --data d"


def test_what_to_do_is_a_line_that_can_be_typed():
    assert [line.partition("  #")[0].rstrip() for line in again(run(), " --data d")] == [
        "podium restart r-1 --data d",
        "podium restart r-1 --from 'a b' --data d",
    ]


def test_no_job_is_left_out_of_the_summary(capsys):
    found = run(
        a={"state": "succeeded", "started": 1.0, "ended": 3.5},
        b={"state": "failed", "reason": "no list"},
        c={"state": "skipped"},
    )
    conclude(found, "", " --models m.yaml", json=False)
    told = capsys.readouterr()
    assert [line.split() for line in told.out.splitlines()] == [["✓", "a", "2.5", "s"], ["✗", "b"], ["-", "c"]]
    assert told.err.splitlines()[:3] == [
        "jobs     3: 1 succeeded, 1 failed, 1 skipped",
        "failed   b: no list",
        "again    podium restart r-1 --models m.yaml               # what did not succeed, and all behind it",
    ]


def test_of_one_job_times_are_for_people_and_what_fits_is_in_one_line():
    job = {
        "job": "b",
        "after": [],
        "state": "failed",
        "attempt": 2,
        "started": 1e9,
        "ended": 1e9 + 90,
        "item": [1, "é"],
    }
    told = dict(described({**job, "call": {"arguments": {"text": "x" * 100}}, "result": None}))
    assert "after" not in told
    assert "result" not in told
    assert told["started"].startswith("2001-09-0")
    assert (told["attempt"], told["took"], told["item"]) == ("2", "1 min 30 s", '[1, "é"]')
    assert told["call"].splitlines()[:2] == ["{", ' "arguments": {']
