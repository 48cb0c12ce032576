"""`podium run`: one document, from the first look at it to its results."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from podium.cli import options
from podium.cli.screen import as_json, err, say, state, summary, written
from podium.cli.serve import run_loop
from podium.errors import DocumentRefused, Gone, PodiumError

if TYPE_CHECKING:
    from podium.cli.client import Client
    from podium.cli.following import Show
    from podium.settings import Settings
    from podium.stack.home import Home
    from podium.stack.whole import Stack

FAILED, DETACHED = 1, 128 + signal.SIGTERM
NAMED = 3
SILENT_SECONDS = 10.0  # before it is said for whom a run waits

Submit: TypeAlias = "Callable[[Client], Awaitable[dict[str, Any]]]"
Document = Annotated[Path, typer.Argument(help="What to run.")]


def add_to(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(validate)


def run(
    document: Document,
    models: options.OwnModels = None,
    data: options.Data = None,
    json: Annotated[bool, typer.Option("--json", help="Print the finished run as JSON, the last line.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Go on serving the page until Ctrl-C.")] = False,
    broker: options.Broker = None,
    database: options.Database = None,
    series: options.Series = None,
    artifacts: options.Artifacts = None,
) -> None:
    """Run a document and wait for its end. Exit code 0: it succeeded, 1: it did not, 2: it was refused."""
    settings = options.settings(
        document, models=models, data=data, broker=broker, database=database, series=series, artifacts=artifacts
    )
    given, key = _Given.of(document), uuid.uuid4().hex

    async def submit(client: Client) -> dict[str, Any]:
        new: dict[str, Any] = await client.post(
            "/api/v1/runs", content=given.content, key=key, filename=given.filename, advice=True
        )
        _advise(new.pop("advice", ()))
        return new

    run_loop(conduct(settings, submit, json=json, keep=keep, models=models))


def validate(
    document: Document,
    models: options.OwnModels = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Check a document without running it. Exit code 2: it is refused."""
    run_loop(_validate(options.settings(document, models=models, data=data), _Given.of(document), json=json))


@dataclass(frozen=True, slots=True)
class _Given:
    """The document; `filename` is its whole path, beside which it may refer to others."""

    content: bytes
    filename: str

    @classmethod
    def of(cls, path: Path) -> _Given:
        try:
            return cls(path.read_bytes(), str(path.resolve()))
        except OSError as error:
            raise DocumentRefused(f"it cannot be read: {(error.strerror or '').lower()}", where=str(path)) from None


async def _validate(settings: Settings, given: _Given, *, json: bool) -> None:
    from tempfile import TemporaryDirectory

    from podium.cli.reach import anybody, looking
    from podium.stack.home import Home

    with TemporaryDirectory(prefix="podium-") as nowhere:
        there = Home(settings.data).exists and settings.models is None
        elsewhere = settings.model_copy(update={"data": Path(nowhere) / "data"})
        async with anybody(settings) if there else looking(elsewhere) as client:
            found = await client.post("/api/v1/validate", content=given.content, filename=given.filename)
    if json:
        as_json(found)
    else:
        say(f"good: a {found['kind']} called {found['name']!r}")
        _advise(found.get("advice", ()))


def _advise(advice: Iterable[Mapping[str, str]]) -> None:
    for one in advice:
        hint = f". {one['hint']}" if "hint" in one else ""
        say(f"could be better: {one['where']}: {one['what']}{hint}")


async def conduct(
    settings: Settings, submit: Submit, *, json: bool, keep: bool = False, models: Path | None = None
) -> int:
    """Have a run made by `submit`, and see it to its end; gives the exit code. `models` is the file that was named.

    `submit` is called again where the Podium that it was given to was about to end: then the next owner has it, or we.
    """
    from podium.cli.following import GOES_ON
    from podium.cli.leaving import Leaving
    from podium.cli.reach import AGAIN_SECONDS, told
    from podium.stack.home import Home

    leaving = Leaving()
    submission = submitted = ended = stack = None
    try:
        while submitted is None:
            async with conducted(settings) as (client, stack):
                submission = asyncio.ensure_future(submit(client))
                async with leaving.cancelling(client, submission):  # its first job may begin before we hear of it
                    try:
                        submitted = await submission
                    except Gone:
                        if stack is not None or leaving.asked:
                            raise
                    else:
                        ended = await _watched(client, submitted, Home(settings.data), stack)
                if ended is not None and stack is not None:
                    results = partial(_show_results, client, settings, ended, json=json)
                    await _conclude(settings, ended, results, json=json, models=models)
                    if not stack.stopping.is_set():
                        await (_keep(stack) if keep else _finish_others(stack))
            if submitted is None:
                say("the Podium of this data directory ends; giving it to the next, or conducting it here")
                await asyncio.sleep(AGAIN_SECONDS)
        if ended is None or stack is None:  # who conducted it may be gone, and it may have ended all the same
            run = await told(settings, lambda client: client.run(submitted["id"]))
            if not run["ended"]:
                say(f"detached: the Podium that conducted it was told to stop, or is gone; {GOES_ON}")
                return DETACHED
            ended = run
            results = partial(told, settings, lambda client: _show_results(client, settings, run, json=json))
            await _conclude(settings, run, results, json=json)
    except asyncio.CancelledError:
        if ended is None:
            if submitted is not None:
                say(f"detached; {GOES_ON}")
            elif submission is not None:
                say("left while it was being submitted; `podium status` tells whether it was")
            else:
                say("left before it was submitted")
            return leaving.code
    return 0 if ended["state"] == "succeeded" else FAILED


async def _watched(client: Client, run: dict[str, Any], home: Home, stack: Stack | None) -> dict[str, Any] | None:
    """The run at its end, having shown how it went there; None, when nobody conducts it any more."""
    from podium.cli.following import follow
    from podium.cli.waiting import saying_waits

    try:
        picture = await _picture(client, run)
    except Gone:
        return None
    with picture as show:
        async with saying_waits(client, SILENT_SECONDS, run["id"]):
            return await follow(client, run["id"], home, stack, show)


async def _picture(client: Client, run: dict[str, Any]) -> AbstractContextManager[Show]:
    """What shows the events of a run, by what it is made of."""
    from podium.cli.graph import graph_progress, plan_of
    from podium.cli.progress import progress

    plan = await plan_of(client, run["id"])
    return progress(run) if plan is None else graph_progress(run, plan)


async def _finish_others(stack: Stack) -> None:
    """Runs that other terminals have handed to us end before we do."""
    if stack.active:
        say(f"conducting {len(stack.active)} more, handed over or left by an earlier Podium; Ctrl-C detaches")
    await stack.finish()


@asynccontextmanager
async def conducted(settings: Settings) -> AsyncIterator[tuple[Client, Stack | None]]:
    """The Podium that owns the data directory; our own, if there is none yet."""
    from podium.cli import logs
    from podium.cli.client import Client, through
    from podium.errors import Conflict
    from podium.stack.home import Home

    home = Home(settings.data)
    stack: Stack | None = None
    if not home.has_owner():
        from podium.stack.whole import Stack

        stack = Stack(settings, page=False)
        logs.to_file(home.path / "podium.log", settings.log_level)
        logs.redact(stack.secrets)
        try:
            await stack.start()
        except Conflict:
            if not home.has_owner():  # else somebody was faster by a moment
                raise
            stack = None
        else:
            if left := sorted(stack.active):
                more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
                say(f"going on with what an earlier Podium left: {', '.join(left[:NAMED])}{more}")
    if stack is None and settings.models:
        say("the Podium that owns this data directory runs it, with its own models file")
    try:
        async with through(home) as http:
            yield Client(http), stack
    finally:
        if stack is not None:
            await stack.close()


async def _conclude(
    settings: Settings,
    run: dict[str, Any],
    results: Callable[[], Awaitable[None]],
    *,
    json: bool,
    models: Path | None = None,
) -> None:
    """Tell how it ended, and what `results` tells; `models` is the file that has to be named again."""
    from podium.cli.jobs import conclude, why
    from podium.server.words import duration

    id_ = run["id"]
    took = f" in {duration(run['ended'] - run['started'])}" if run["started"] else ""
    err().print(f"{state(run['state'])}{took}  [bright_black]{id_}[/]")
    error = run.get("error", {})
    if error:
        if reason := why(run):
            say(reason)
        if "hint" in error:
            say(f"  {error['hint']}")
        for line in error.get("last_lines", ()):
            say(f"  | {line}")
    if "jobs" in run.get("progress", {}):
        named = f" --models {shlex.quote(str(models))}" if models else ""
        conclude(run, data_option(settings), named, json=json)
    try:
        await results()
    except PodiumError as error:  # of who conducted it, or of a store; how the run ended is known all the same
        say(f"results  {error}")
    say(f"logs     podium logs {id_}{data_option(settings)}")
    if json:
        as_json(run)


async def _show_results(client: Client, settings: Settings, run: dict[str, Any], *, json: bool) -> None:
    id_, given = run["id"], data_option(settings)
    found = (await client.json(f"/api/v1/runs/{id_}/results", limit=0))["summary"]
    if found:
        plot = await _plot(client, settings, id_)
        if not json:
            summary(found)
        say(f"plot     {plot}")
        say(f"results  podium results {id_} --csv DIRECTORY{given}")
    elif "jobs" in run.get("progress", {}):
        from podium.cli.jobs import labelled
        from podium.cli.results import where

        kept = await client.json(f"/api/v1/runs/{id_}/artifacts")
        for line in labelled("files", where(kept) if kept["artifacts"] else ()):
            say(line)
        say(f"results  podium results {id_}{' --artifacts DIRECTORY' if kept['artifacts'] else ''}{given}")


async def _plot(client: Client, settings: Settings, run: str) -> Path:
    path = settings.data / "results" / f"{run}.png"
    answer = await client.get(f"/api/v1/runs/{run}/plot.png")
    write(path, answer.content)
    return path


def write(path: Path, content: bytes) -> None:
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def data_option(settings: Settings) -> str:
    """How to say which data directory is meant, where it is not the usual one."""
    from podium.settings import Settings as Known

    usual = os.environ.get("PODIUM_DATA") or Known.model_fields["data"].default
    return "" if settings.data == Path(usual) else f" --data {shlex.quote(str(settings.data))}"


async def _keep(stack: Stack) -> None:
    from podium.cli.leaving import on_signals

    say(f"page     {stack.link()}")
    say("serving until Ctrl-C")
    on_signals(stack.stop)
    await stack.stopping.wait()
