"""Shows a run as it goes: its phases as lines, its steps as a bar."""

from __future__ import annotations

from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from podium.cli.reach import Client
from podium.cli.screen import err
from podium.server.words import describe

QUIET = {"step.finished", "model.ended", "run.running", "run.ending", "run.succeeded", "run.failed", "run.cancelled"}


async def follow(client: Client, run: dict[str, Any]) -> None:
    """Until it has ended."""
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
        async for event in client.events(f"/api/v1/runs/{run['id']}/events"):
            type_, data = event["type"], event["data"]
            if type_ == "run.started" and data.get("steps"):
                bar.update(steps, total=data["steps"], visible=True)
            elif type_ == "step.finished":
                bar.update(steps, completed=data["step"] + data.get("skipped", 0))
            if type_ not in QUIET:
                console.print(describe(type_, data), markup=False)
