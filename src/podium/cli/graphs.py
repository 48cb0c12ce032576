"""Commands for graphs of jobs alone: again from any job, pause, resume."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.cli import options
from podium.cli.screen import out
from podium.cli.serve import run_loop
from podium.errors import DocumentRefused, NotFound, Unavailable

if TYPE_CHECKING:
    from podium.cli.client import Client
    from podium.settings import Settings


_NAME = re.compile(r'"([^"]+)"|([^."=]+)')
_EDIT = re.compile(rf"(?P<path>(?:{_NAME.pattern})(?:\.(?:{_NAME.pattern}))+)=(?P<value>.*)", re.DOTALL)


def add_to(app: typer.Typer) -> None:
    for command in (restart, pause, resume):
        app.command()(command)


def restart(
    run: options.Run,
    start: Annotated[
        list[str] | None, typer.Option("--from", help="A job: it and all behind it are performed again.")
    ] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option(
            help="JOB.KEY=VALUE, such as load.arguments.day=4; a name with dots in quotes; VALUE is JSON, or text."
        ),
    ] = None,
    models: options.OwnModels = None,
    data: options.Data = None,
    json: Annotated[bool, typer.Option("--json", help="Print the finished run as JSON, the last line.")] = False,
) -> None:
    """Run a graph of jobs again, and reuse what need not be done again. Without --from: what did not succeed."""
    body = {"from": start or [], "edit": _edits(edit or [])}
    run_loop(_restart(options.settings(data=data, models=models), run, body, models, json=json))


def pause(run: options.Run, data: options.Data = None) -> None:
    """Have a graph begin no more jobs; those under way go on."""
    run_loop(_tell(options.settings(data=data), run, "pause"))


def resume(run: options.Run, data: options.Data = None) -> None:
    """Have a graph go on after a pause."""
    run_loop(_tell(options.settings(data=data), run, "resume"))


async def _restart(settings: Settings, run: str, body: dict[str, Any], models: Path | None, *, json: bool) -> int:
    from podium.cli.reach import named, on_record
    from podium.cli.run import conduct
    from podium.stack.home import Home
    from podium.stack.record import record

    async with on_record(settings) as there:
        run = await named(there, run)
    # The owner may go, and then we conduct it; but not where it keeps its journal elsewhere.
    with suppress(NotFound, Unavailable):
        async with record(settings, Home(settings.data)) as journal:
            if directory := await journal.directory(run):
                settings = options.with_models(settings, directory)

    key = uuid.uuid4().hex

    async def submit(client: Client) -> dict[str, Any]:
        new: dict[str, Any] = await client.post(f"/api/v1/runs/{run}/restart", json=body, key=key)
        return new

    return await conduct(settings, submit, json=json, models=models)


async def _tell(settings: Settings, run: str, word: str) -> None:
    from podium.cli.reach import named, owner

    async with owner(settings) as client:
        run = await named(client, run)
        await client.post(f"/api/v1/runs/{run}/{word}")
    out().print(f"{run}  {word}d")


def _edits(given: list[str]) -> dict[str, dict[str, Any]]:
    """Raises: DocumentRefused."""
    edits: dict[str, dict[str, Any]] = {}
    for text in given:
        edit = _EDIT.fullmatch(text)
        if edit is None:
            hint = "Write JOB.KEY=VALUE; a name with . or = in it in quotes: '\"JOB.1\".KEY=VALUE'"
            raise DocumentRefused(f"{text!r} is no edit", where="--edit", hint=hint)
        job, *keys = (quoted or plain for quoted, plain in _NAME.findall(edit["path"]))
        place = edits.setdefault(job, {})
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = _value(edit["value"])
    return edits


def _value(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text
