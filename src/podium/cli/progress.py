"""Shows a run as it goes: its phases as lines, its steps as a bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from podium.cli.following import Show
from podium.cli.screen import err, escape
from podium.server.words import describe

# Why it fails is told once, at the end.
QUIET = {
    *("step.finished", "model.ended", "model.failed", "run.running"),
    *("run.ending", "run.succeeded", "run.failed", "run.cancelled"),
}


@contextmanager
def progress(run: dict[str, Any]) -> Iterator[Show]:
    """Gives what shows an event."""
    columns = (
        TextColumn("steps"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = err()
    console.print(f"[bold]{escape(run['name'])}[/]  [bright_black]{run['id']}[/]")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        steps = bar.add_task("steps", total=None, visible=False)
        yield lambda event: _show(event, bar, steps)


def _show(event: dict[str, Any], bar: Progress, steps: TaskID) -> None:
    type_, data = event["type"], event["data"]
    if type_ == "run.started" and data.get("steps"):
        bar.update(steps, total=data["steps"], visible=True)
    elif type_ == "step.finished":
        bar.update(steps, completed=data["step"] + data.get("skipped", 0))
    if type_ not in QUIET:
        bar.console.print(describe(type_, data), markup=False)
