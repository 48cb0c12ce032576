"""Where a model of a test stands: what it writes down of its steps, and where it waits.

TRACE   directory for one file a model: a line for each step it was given, `<step> <simulated time> ...`
GATE    <point>=<fifo>: at `ready`, `parameters`, `step:<n>` or `end`, wait until the fifo was opened and closed; once
ONLY    the model id that GATE (and any fault) is for; all when it is not set
"""

from __future__ import annotations

import os
from pathlib import Path

CHOSEN = os.environ.get("ONLY", os.environ["MODEL_ID"]) == os.environ["MODEL_ID"]
_POINT, _, _FIFO = os.environ.get("GATE", "").partition("=") if CHOSEN else ("", "", "")


def trace(*words: object) -> None:
    with Path(os.environ["TRACE"], f"{os.environ['SIMULATION_ID']}.{os.environ['MODEL_ID']}").open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


def gate(point: str, _passed: list[str] = []) -> None:  # noqa: B006  # what this process has passed
    if point == _POINT and point not in _passed:
        with Path(_FIFO).open() as wait:
            wait.read()
        _passed.append(point)  # a step that is repeated goes through
