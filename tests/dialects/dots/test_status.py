from __future__ import annotations

from typing import Any

from podium.dialects.dots.status import Progress
from podium.runs.events import Event, Recorded

ENDED = "(a) model(s) terminated with an error, the simulation has been terminated"


def told(*events: tuple[str, dict[str, Any]], now: float = 1000.0) -> str:
    progress = Progress(steps=24, settle=0.02)
    for position, (kind, data) in enumerate(events, 1):
        progress.take(Recorded(position, "s", position, 0.0, Event(kind, data)))
    return progress.at(now)


def test_the_status_is_in_the_field_s_words() -> None:
    assert told() == "all models registered"
    assert told(("run.started", {"at": 1.0}), ("models.deployed", {"at": 1.0})) == "all models registered"
    assert told(("models.ready", {"at": 1.0})) == "all models deployed"
    assert told(("models.parameterized", {"at": 5.0}), now=5.01) == "all models parameterized"
    assert told(("models.parameterized", {"at": 5.0}), now=5.02) == "Calculating time step 1 (of 24)"
    assert told(("step.finished", {"at": 5.0, "step": 3}), now=5.0) == "finished calculation step"
    assert told(("step.finished", {"at": 5.0, "step": 3}), now=6.0) == "Calculating time step 4 (of 24)"
    assert told(("step.finished", {"at": 5.0, "step": 3, "skipped": 2})) == "Calculating time step 6 (of 24)"
    assert told(("step.finished", {"at": 5.0, "step": 3, "listen": 5.0}), now=9.0) == "finished calculation step"
    assert told(("step.finished", {"at": 5.0, "step": 24})) == "finished calculation step"
    assert told(("step.finished", {"at": 5.0, "step": 24}), ("run.ending", {"outcome": "succeeded"})) == (
        "finished calculation step"
    )
    assert told(("run.succeeded", {"at": 5.0})) == "the simulation terminated successfully"


def test_a_failure_has_its_reason_behind_it_at_once() -> None:
    failed = {"at": 5.0, "error": {"reason": "model a ended with exit code 3"}}
    step = ("step.finished", {"at": 5.0, "step": 3})
    assert told(step, ("run.ending", failed)) == f"{ENDED}: model a ended with exit code 3"
    assert told(step, ("run.failed", failed)) == f"{ENDED}: model a ended with exit code 3"
    assert told(("run.cancelled", {"at": 5.0, "error": {"reason": "cancelled by the user"}})) == (
        f"{ENDED}: cancelled by the user"
    )


def test_an_event_counts_once() -> None:
    progress = Progress(steps=24, settle=0.0)
    progress.take(Recorded(7, "s", 2, 0.0, Event("step.finished", {"at": 0.0, "step": 2})))
    progress.take(Recorded(3, "s", 1, 0.0, Event("models.ready", {"at": 0.0})))
    assert progress.at(1.0) == "Calculating time step 3 (of 24)"
    assert progress.position == 7
