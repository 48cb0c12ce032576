"""Commands that look at runs, or end one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.cli import options
from podium.cli.screen import as_json, escape, moment, out, say, state
from podium.cli.serve import run_loop

if TYPE_CHECKING:
    from podium.cli.following import Show
    from podium.settings import Settings


def add_to(app: typer.Typer) -> None:
    for command in (status, events, logs, cancel):
        app.command()(command)


def status(
    run: options.MaybeRun = None,
    search: Annotated[str | None, typer.Option(help="Only runs with this in their name or id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """Tell how runs stand."""
    settings = options.settings(data=data)
    run_loop(_one(settings, run, json=json) if run else _all(settings, search, limit, json=json))


def events(
    run: options.MaybeRun = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more, until the run has ended.")] = False,
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """Print what happened."""
    settings = options.settings(data=data)
    run_loop(_follow(settings, run, json=json) if follow else _events(settings, run, json=json))


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


async def _one(settings: Settings, run: str, *, json: bool) -> None:
    from podium.cli.reach import named, on_record

    async with on_record(settings) as record:
        run = await named(record, run)
        found, left = await record.run(run), await record.left()
    if json:
        as_json(found)
    else:
        _describe(found, left, settings)
    _say_left(settings, left & {run})


def _describe(run: dict[str, Any], left: frozenset[str], settings: Settings) -> None:
    from podium.cli.jobs import again, failures, labelled, why
    from podium.cli.run import data_option
    from podium.server.words import waits

    progress = run.get("progress", {})
    out().print(f"[bold]{escape(run['name'])}[/]  {_standing(run, left)}")
    for label, value in (
        ("id", run["id"]),
        ("kind", run["kind"]),
        ("steps", f"{progress['done']} of {progress['steps']}" if "steps" in progress else ""),
        ("waiting", f"for {waits(progress)}" if waits(progress) else ""),
        ("jobs", _jobs(progress) if "jobs" in progress else ""),
        ("restarted", f"from {run['restarted']['from']}" if "restarted" in run else ""),
        ("submitted", moment(run["submitted"])),
        ("started", moment(run["started"])),
        ("ended", moment(run["ended"])),
        ("reason", why(run)),
    ):
        if value:
            out().print(f"{label:10}{value}", markup=False)
    given = data_option(settings)
    for label, lines in (("failed", failures(run, given)), ("again", again(run, given))):
        for line in labelled(label, lines, 10):
            out().print(line, markup=False)


def _jobs(progress: dict[str, Any]) -> str:
    counts = progress["counts"]
    words = ", ".join(f"{count} {state}" for state, count in counts.items() if count and state != "total")
    return f"{counts['total']}: {words}{' (paused)' if progress['paused'] else ''}"


async def _all(settings: Settings, search: str | None, limit: int, *, json: bool) -> None:
    from rich import box
    from rich.table import Table

    from podium.cli.reach import on_record

    async with on_record(settings) as record:
        found, left, page = await record.runs(search, limit), await record.left(), await record.page()
    if json:
        as_json(found)
    elif found["runs"]:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for title in ("run", "name", "state", "submitted"):
            table.add_column(title)
        for run in found["runs"]:
            table.add_row(run["id"], escape(run["name"]), _standing(run, left), moment(run["submitted"]))
        out().print(table)
    else:
        say("no run is like that" if search else "no run")
    if not json and found["next"]:
        say(f"the newest {limit} of more; --limit shows more")
    _say_left(settings, left)
    if page and not json:
        say(f"page  {page}")


def _standing(run: dict[str, Any], left: frozenset[str]) -> str:
    return state(run["state"]) + (" [yellow](conducted by nobody)[/]" if run["id"] in left else "")


def _say_left(settings: Settings, left: frozenset[str]) -> None:
    """Its state is how it was left."""
    if not left:
        return
    from podium.cli.run import data_option

    which, them = ("1 run", "it") if len(left) == 1 else (f"{len(left)} runs", "them")
    option = data_option(settings)
    how = f"`podium serve{option}` or the next `podium run{option}` goes on with {them}; `podium stop --all{option}`"
    say(f"nobody conducts {which} that {'has' if them == 'it' else 'have'} not ended: {how} ends {them}")


async def _events(settings: Settings, run: str | None, *, json: bool) -> None:
    from podium.cli.reach import named, on_record

    show = _shower(run, json=json)
    async with on_record(settings) as record:
        run = await named(record, run) if run else None
        async for event in record.past(run):
            show(event)
        left = await record.left()
    _say_left(settings, left & {run} if run else left)


async def _follow(settings: Settings, run: str | None, *, json: bool) -> int:
    from podium.cli.following import GOES_ON, follow
    from podium.cli.reach import named, owner
    from podium.cli.run import DETACHED
    from podium.stack.home import Home

    async with owner(settings) as client:
        run = await named(client, run) if run else None
        ended = await follow(client, run, Home(settings.data), show=_shower(run, json=json))
    if ended is not None:
        return 0
    say(f"the Podium that conducted it was stopped, or is gone; {GOES_ON}" if run else "the Podium here is gone")
    return DETACHED


def _shower(run: str | None, *, json: bool) -> Show:
    from podium.server.words import describe

    def show(event: dict[str, Any]) -> None:
        if json:
            as_json(event)
        else:
            of = "" if run else f"{event['run']}  "
            out().print(f"{moment(event['time'])}  {of}{describe(event['type'], event['data'])}", markup=False)

    return show


async def _logs(settings: Settings, run: str, model: str | None, tail: int | None) -> None:
    from podium.cli.reach import anybody, named
    from podium.errors import NotFound

    async with anybody(settings) as client:
        run = await named(client, run)
        found = await client.json(f"/api/v1/runs/{run}/logs", tail=tail)
    if model is not None and model not in found:
        known = ", ".join(found) or "none"
        raise NotFound(f"there is no log of a model {model!r}", where=run, hint=f"There are logs of: {known}")
    for name, text in found.items():
        if model is None:
            out().print(f"[bold]--- {escape(name)}[/]")
        if model in (None, name):
            out().print(text, markup=False, end="")


async def _cancel(settings: Settings, run: str) -> int:
    from podium.cli.following import GOES_ON, follow
    from podium.cli.reach import must_exist, named, on_record
    from podium.cli.run import DETACHED, conducted
    from podium.stack.home import Home

    must_exist(settings)
    async with conducted(settings) as (client, stack):
        run = await named(client, run)
        asked = await client.post(f"/api/v1/runs/{run}/cancel")
        found = await follow(client, run, Home(settings.data), stack)
    if asked["ended"]:
        say("it had ended before")
    if found is None:
        async with on_record(settings) as record:
            found = await record.run(run)
    out().print(f"{run}  {state(found['state'])}")
    if found["ended"]:
        return 0
    say(f"it was told to end, but the Podium that conducted it was stopped before that, or is gone; {GOES_ON}")
    return DETACHED
