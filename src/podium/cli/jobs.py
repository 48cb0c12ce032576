"""Jobs of a graph, looked at one by one; and what is told of them all when a run has ended: what failed, what to do."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.cli import options
from podium.cli.screen import as_json, moment, out, say
from podium.cli.serve import run_loop

if TYPE_CHECKING:
    from podium.settings import Settings

MOST_LINES = 60  # of a larger graph the slowest
SLOWEST = 10
TOLD = 10  # that failed
MOMENTS = ("started", "ended", "retry_at")
ONE_LINE = 100  # characters of JSON
SHORT = 200  # characters of a reason, where there are several

State = Annotated[str | None, typer.Option("--state", help="Only those in this state, such as failed.")]


def add_to(app: typer.Typer) -> None:
    app.command()(jobs)


def jobs(
    run: options.Run,
    job: Annotated[str | None, typer.Argument(help="Only this one, with what it was told and its result.")] = None,
    state: State = None,
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """List the jobs of a run: how each stands, its attempts, how long it took, why it failed."""
    settings = options.settings(data=data)
    run_loop(_one(settings, run, job, json=json) if job else _all(settings, run, state, json=json))


async def _all(settings: Settings, run: str, state: str | None, *, json: bool) -> None:
    from podium.cli.reach import named, on_record

    async with on_record(settings) as record:
        found = [job async for job in record.jobs(await named(record, run), state)]
    if json:
        for job in found:
            as_json(job)
    elif found:
        _table(found)
    else:
        say("no job is like that")


def _table(found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from podium.cli.graph import STYLES
    from podium.server.words import titled

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("job", "state", "attempts", "seconds", "reason"):
        table.add_column(title, justify="right" if title in ("attempts", "seconds") else "left")
    for job in found:
        took = f"{job['ended'] - job['started']:.1f}" if "started" in job and "ended" in job else ""
        items = f" ({job.get('done', 0)} of {job['items']})" if "items" in job else ""
        table.add_row(
            Text(titled(job["job"], job["kind"])),
            Text(f"{job['state']}{items}", STYLES[job["state"]]),
            str(job.get("attempt", "")),
            took,
            Text(_first_line(job.get("reason", ""))),
        )
    out().print(table)


async def _one(settings: Settings, run: str, job: str, *, json: bool) -> None:
    from urllib.parse import quote

    from podium.cli.reach import anybody, named

    async with anybody(settings) as client:
        found = await client.json(f"/api/v1/runs/{await named(client, run)}/jobs/{quote(job, safe='')}")
    if json:
        as_json(found)
        return
    for label, value in described(found):
        out().print(f"{label:10}{value.replace(chr(10), chr(10) + ' ' * 10)}", markup=False)


def described(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What there is to say of one job, for people."""
    from podium.server.words import duration

    for label, value in job.items():
        if value is not None and value != []:
            yield label, moment(value) if label in MOMENTS else _text(value)
        if label == "ended" and "started" in job:
            yield "took", duration(_seconds(job))


def why(run: Mapping[str, Any]) -> str:
    """Why a run failed; empty, when that is for its jobs to tell."""
    failed = any(job["state"] == "failed" for job in _jobs(run).values())
    return "" if failed and run["state"] == "failed" else str(run.get("error", {}).get("reason", ""))


def conclude(run: Mapping[str, Any], data: str, models: str, *, json: bool) -> None:
    """How the jobs of a run went that has ended, and what to do about those that failed.

    `data` and `models` are these options, as they are typed behind a command that needs them.
    """
    from podium.cli.graph import counted

    if not json:
        _times(run["progress"]["jobs"])
    counts = run["progress"]["counts"]
    say(f"jobs     {counts['total']}: {counted(counts)}")
    for line in labelled("failed", failures(run, data)):
        say(line)
    for line in labelled("again", again(run, data + models)):
        say(line)


def failures(run: Mapping[str, Any], given: str) -> Iterator[str]:
    """The jobs that failed, each with its reason, and where the others are told of."""
    from podium.server.words import titled

    failed = [(titled(name, job["kind"]), job) for name, job in _jobs(run).items() if job["state"] == "failed"]
    for title, job in failed[:TOLD]:
        items = f" ({job['failed']} of {job['items']} items)" if "items" in job else ""
        reason = job.get("reason", "")
        yield f"{title}{items}: {reason if len(failed) == 1 else _first_line(reason)}"
    if len(failed) > TOLD:
        yield f"and {len(failed) - TOLD} more: podium jobs {run['id']} --state failed{given}"


def again(run: Mapping[str, Any], given: str) -> list[str]:
    """What can be typed now."""
    from podium.server.again import meaning, words

    ways = [(f"{shlex.join(words(run['id'], how))}{given}", meaning(how)) for how in run.get("again", ())]
    width = max((len(typed) for typed, _ in ways), default=0)
    return [f"{typed:{width}}  # {why}" for typed, why in ways]


def labelled(label: str, lines: Iterable[str], width: int = 9) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{'' if number else label:{width}}{line}"


def _jobs(run: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = run.get("progress", {}).get("jobs", {})
    return found


def _times(found: Mapping[str, Any]) -> None:
    """How each job ended and how long it took; of many which took longest."""
    from rich.table import Table
    from rich.text import Text

    from podium.cli.graph import STYLES
    from podium.server.words import SIGNS, duration, titled

    shown = list(found.items())
    if len(shown) > MOST_LINES:
        shown = sorted(shown, key=lambda one: -_seconds(one[1]))[:SLOWEST]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column()
    table.add_column(justify="right")
    for name, job in shown:
        took = duration(_seconds(job)) if "ended" in job else ""
        table.add_row(Text(SIGNS[job["state"]], STYLES[job["state"]]), Text(titled(name, job["kind"])), took)
    out().print(table)


def _seconds(job: Mapping[str, Any]) -> float:
    return float(job["ended"] - job["started"]) if "started" in job and "ended" in job else 0.0


def _text(value: Any) -> str:
    """JSON, in one line where that can be read."""
    import json

    if isinstance(value, str):
        return value
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= ONE_LINE else json.dumps(value, ensure_ascii=False, indent=1)


def _first_line(reason: str) -> str:
    line = reason.partition("\n")[0]
    return line if len(line) <= SHORT and line == reason else f"{line[:SHORT]} ..."
