"""Shows a run as it goes: its phases as lines, its steps as a bar."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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

from podium.cli.reach import Client
from podium.cli.screen import err
from podium.errors import Unavailable
from podium.server.words import describe

AGAIN_SECONDS = 0.5
QUIET = {"step.finished", "model.ended", "run.running", "run.ending", "run.succeeded", "run.failed", "run.cancelled"}


async def follow(client: Client, run: dict[str, Any], is_gone: Callable[[], bool]) -> dict[str, Any] | None:
    """Until it has ended: the run as it is then; None, when who conducts it `is_gone` before that."""
    path, position = f"/api/v1/runs/{run['id']}", 0
    columns = (
        TextColumn("steps"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = err()
    console.print(f"[bold]{run['name']}[/]  [bright_black]{run['id']}[/]")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        steps = bar.add_task("steps", total=None, visible=False)
        while True:
            try:
                async for event in client.events(f"{path}/events", after=position):
                    position = event["position"]
                    _show(event, bar, steps)
                found: dict[str, Any] = await client.json(path)
            except Unavailable as error:
                if is_gone():
                    return None
                console.print(str(error), markup=False)
            else:
                if found["ended"]:
                    return found
                if is_gone():
                    return None
            await asyncio.sleep(AGAIN_SECONDS)  # it is about to go, or another has taken its place


def _show(event: dict[str, Any], bar: Progress, steps: TaskID) -> None:
    type_, data = event["type"], event["data"]
    if type_ == "run.started" and data.get("steps"):
        bar.update(steps, total=data["steps"], visible=True)
    elif type_ == "step.finished":
        bar.update(steps, completed=data["step"] + data.get("skipped", 0))
    if type_ not in QUIET:
        bar.console.print(describe(type_, data), markup=False)
