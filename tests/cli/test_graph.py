"""What a graph of jobs looks like in the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from podium.cli.graph import MOST_TOLD, Plan, _Picture


def event(type_: str, at: float = 1.0, **data: object) -> dict[str, object]:
    return {"position": 1, "run": "r", "seq": 1, "time": at, "type": type_, "schema": 1, "data": {"at": at, **data}}


def drawn(picture: _Picture) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    console.print(picture.drawn())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_each_job_is_shown_with_what_became_of_it():
    picture = _Picture(Plan(3, [["load"], ["cost"], ["report"]], {"load": "python"}))
    picture.take(event("run.started", jobs=3))
    picture.take(event("jobs.begun", attempts=[["load", 1]]))
    picture.take(event("job.succeeded", 2.5, job="load", attempt=1, result=None))
    picture.take(event("jobs.begun", 2.5, attempts=[["cost", 1]]))
    picture.take(event("job.failed", 4.5, job="cost", attempt=1, reason="no prices\nat all"))
    picture.take(event("jobs.skipped", 4.5, jobs=["report"], because="cost"))
    shown = drawn(picture)
    assert shown[0].split() == ["1", "✓", "load", "python", "1.5", "s"]
    assert shown[1].split() == ["2", "✗", "cost", "2.0", "s", "no", "prices"]
    assert shown[2].split() == ["3", "-", "report"]
    assert shown[3] == "3 of 3 jobs: 1 succeeded, 1 failed, 1 skipped"


def test_of_thousands_only_what_is_notable_is_shown():
    picture = _Picture(Plan(3000, [], {}))
    picture.take(event("run.started", jobs=3000))
    picture.take(event("jobs.begun", attempts=[[f"j{n}", 1] for n in range(100)]))
    picture.take(event("job.failed", 2.0, job="j99", attempt=1, reason="it is too much"))
    shown = drawn(picture)
    assert len(shown) < 20
    assert "it is too much" in shown[0]
    assert shown[-1] == "1 of 3000 jobs: 2900 waiting, 99 running, 1 failed"


def test_without_a_terminal_many_are_counted(capsys):
    picture = _Picture(Plan(MOST_TOLD * 2, [], {}))
    picture.tell(event("run.started", jobs=MOST_TOLD * 2))
    for n in range(MOST_TOLD * 2):
        picture.tell(event("jobs.begun", attempts=[[f"j{n}", 1]]))
        picture.tell(event("job.succeeded", job=f"j{n}", attempt=1, result=None))
    said = [line for line in capsys.readouterr().err.splitlines() if "jobs:" in line]
    assert len(said) == 10
    assert said[-1] == f"{MOST_TOLD * 2} of {MOST_TOLD * 2} jobs: {MOST_TOLD * 2} succeeded"
