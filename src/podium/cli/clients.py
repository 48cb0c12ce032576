"""Commands that look at runs, or end one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.cli import options
from podium.cli.screen import as_json, moment, out, say, state, summary
from podium.cli.serve import run_loop

if TYPE_CHECKING:
    from podium.cli.reach import Client
    from podium.settings import Settings


def add_to(app: typer.Typer) -> None:
    for command in (status, events, logs, cancel, results):
        app.command()(command)


def status(
    run: Annotated[str | None, typer.Argument(help="The run's id; without it, all runs.")] = None,
    search: Annotated[str | None, typer.Option(help="Only runs with this in their name or id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """Tell how runs stand."""
    settings = options.settings(data=data)
    run_loop(_one(settings, run, json=json) if run else _all(settings, search, limit, json=json))


def events(
    run: Annotated[str | None, typer.Argument(help="The run's id; without it, all runs.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more, until the run has ended.")] = False,
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """Print what happened."""
    run_loop(_events(options.settings(data=data), run, follow=follow, json=json))


def logs(
    run: options.Run,
    model: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=1, help="Only the last lines of each.")] = None,
    data: options.Data = None,
) -> None:
    """Print what the models of a run wrote."""
    run_loop(_logs(options.settings(data=data), run, model, tail))


def cancel(run: options.Run, data: options.Data = None, models: options.Models = None) -> None:
    """Have a run end, and wait for it."""
    run_loop(_cancel(options.settings(data=data, models=models), run))


def results(
    run: options.Run,
    csv: Annotated[Path | None, typer.Option(help="Write CSV files into this directory.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write Parquet files into this directory.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a plot into this PNG file.")] = None,
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """Print a summary of a run's results; save them as files, or as a plot."""
    run_loop(_results(options.settings(data=data), run, csv, parquet, plot, json=json))


async def _one(settings: Settings, run: str, *, json: bool) -> None:
    from podium.cli.reach import anybody

    async with anybody(settings) as client:
        found = await client.json(f"/api/v1/runs/{run}")
    if json:
        as_json(found)
        return
    progress = found.get("progress")
    out().print(f"[bold]{found['name']}[/]  {state(found['state'])}")
    for label, value in (
        ("id", found["id"]),
        ("kind", found["kind"]),
        ("steps", f"{progress['done']} of {progress['steps']}" if progress else ""),
        ("submitted", moment(found["submitted"])),
        ("started", moment(found["started"])),
        ("ended", moment(found["ended"])),
        ("reason", found.get("error", {}).get("reason", "")),
    ):
        if value:
            out().print(f"{label:10}{value}", markup=False)


async def _all(settings: Settings, search: str | None, limit: int, *, json: bool) -> None:
    from rich import box
    from rich.table import Table

    from podium.cli.reach import anybody

    async with anybody(settings) as client:
        found = await client.json("/api/v1/runs", search=search, limit=limit)
        page = (await client.json("/api/v1/owner"))["page"]
    if json:
        as_json(found)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("run", "name", "state", "submitted"):
        table.add_column(title)
    for run in found["runs"]:
        table.add_row(run["id"], run["name"], state(run["state"]), moment(run["submitted"]))
    if found["runs"]:
        out().print(table)
    else:
        say("no run")
    if page:
        say(f"page  {page}")


async def _events(settings: Settings, run: str | None, *, follow: bool, json: bool) -> None:
    from podium.cli.reach import anybody, owner
    from podium.server.words import describe

    path = f"/api/v1/runs/{run}/events" if run else "/api/v1/events"
    async with owner(settings) if follow else anybody(settings) as client:
        async for event in client.events(path, live=follow):
            if json:
                as_json(event)
            else:
                of = "" if run else f"{event['run']}  "
                out().print(f"{moment(event['time'])}  {of}{describe(event['type'], event['data'])}", markup=False)


async def _logs(settings: Settings, run: str, model: str | None, tail: int | None) -> None:
    from podium.cli.reach import anybody
    from podium.errors import NotFound

    async with anybody(settings) as client:
        found = await client.json(f"/api/v1/runs/{run}/logs", tail=tail)
    if model is not None and model not in found:
        known = ", ".join(found) or "none"
        raise NotFound(f"there is no log of a model {model!r}", where=run, hint=f"There are logs of: {known}")
    for name, text in found.items():
        if model is None:
            out().print(f"[bold]--- {name}[/]")
        if model in (None, name):
            out().print(text, markup=False, end="")


async def _cancel(settings: Settings, run: str) -> None:
    from podium.cli.reach import must_exist
    from podium.cli.run import conducted

    must_exist(settings)
    async with conducted(settings) as (client, _):
        await client.post(f"/api/v1/runs/{run}/cancel")
        async for _event in client.events(f"/api/v1/runs/{run}/events"):
            pass
        found = await client.json(f"/api/v1/runs/{run}")
    out().print(f"{run}  {state(found['state'])}")


async def _results(
    settings: Settings, run: str, csv: Path | None, parquet: Path | None, plot: Path | None, *, json: bool
) -> None:
    from podium.cli.reach import anybody
    from podium.cli.run import write

    path = f"/api/v1/runs/{run}/results"
    async with anybody(settings, at_results=True) as client:
        if csv is not None:
            await _save(client, path, "csv", csv)
        if parquet is not None:
            await _save(client, path, "parquet", parquet)
        if plot is not None:
            write(plot, (await client.get(f"/api/v1/runs/{run}/plot.png")).content)
            say(f"{plot}")
        if csv or parquet or plot:
            return
        found: dict[str, Any] = await client.json(path, limit=1000 if json else 0)
    if json:
        as_json(found)
    elif found["summary"]:
        summary(found["summary"])
    else:
        say("this run has no results (yet)")


async def _save(client: Client, path: str, format: str, directory: Path) -> None:  # noqa: A002
    _unpack((await client.get(path, format=format)).content, directory)


def _unpack(content: bytes, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            say(archive.extract(name, directory))
