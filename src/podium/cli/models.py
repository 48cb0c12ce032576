"""`podium models`: the registry of model configurations; `podium new`: a model of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from podium.cli import options
from podium.cli.screen import as_json, moment, out, say, written
from podium.cli.serve import run_loop

if TYPE_CHECKING:
    from podium.settings import Settings

Identifier = Annotated[str, typer.Argument(help="name:version, or a name for its newest version.")]

registry = typer.Typer(help="The registry of model configurations.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(registry, name="models")
    app.command()(new)


@registry.command("list")
def listing(json: options.Json = False, data: options.Data = None) -> None:
    """All registered versions of models."""
    run_loop(_list(options.settings(data=data), json=json))


@registry.command()
def show(identifier: Identifier, data: options.Data = None) -> None:
    """One version of a model, as JSON."""
    run_loop(_show(options.settings(data=data), identifier))


@registry.command()
def add(
    image: Annotated[str, typer.Argument(help="What is run, such as name:tag.")],
    name: Annotated[str | None, typer.Option(help="The type of model.", show_default="the image's name")] = None,
    version: Annotated[str | None, typer.Option(show_default="the image's tag")] = None,
    pull_secret: Annotated[str | None, typer.Option(help="The name of the secret to fetch the image with.")] = None,
    parameters: Annotated[str, typer.Option(help="JSON object that models of this version are given.")] = "{}",
    description: str = "",
    data: options.Data = None,
) -> None:
    """Register a version of a model. What a version means never changes."""
    given = {"image": image, "name": name, "version": version, "pull_secret": pull_secret, "description": description}
    run_loop(_add(options.settings(data=data), {**given, "parameters": _parsed(parameters)}))


@registry.command()
def deprecate(identifier: Identifier, data: options.Data = None) -> None:
    """Have new runs use another version."""
    run_loop(_deprecate(options.settings(data=data), identifier))


def new(
    kind: Annotated[str, typer.Argument(help="What to make: service.")],
    name: Annotated[str, typer.Argument(help="What it is called.")],
    directory: Annotated[Path, typer.Option(help="Where its own directory is made.")] = Path(),
) -> None:
    """Make a new project that works already, to be changed."""
    from podium.errors import DocumentRefused
    from podium.sdk.scaffold import ScaffoldRefused, create

    try:
        with written(directory / name):
            files = create(kind, name, directory)
    except ScaffoldRefused as error:
        raise DocumentRefused(str(error)) from None
    for file in files:
        out().print(str(file), markup=False)
    say(f"try it: cd {shlex.quote(str(directory / name))} && podium run simulation.json --models models.yaml")


def _parsed(text: str) -> Any:
    from json import JSONDecodeError, loads

    from podium.errors import DocumentRefused

    try:
        return loads(text)
    except JSONDecodeError as error:
        raise DocumentRefused(f"this is no JSON: {error}", where="--parameters") from None


async def _list(settings: Settings, *, json: bool) -> None:
    from rich import box
    from rich.table import Table

    from podium.cli.reach import anybody

    async with anybody(settings) as client:
        found = (await client.json("/api/v1/models"))["models"]
    if json:
        as_json(found)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("model", "image", "added", "", "description"):
        table.add_column(title)
    for model in found:
        note = "[yellow]deprecated[/]" if model["deprecated"] else ""
        table.add_row(model["identifier"], model["image"], moment(model["added"]), note, model["description"])
    if found:
        out().print(table)
    else:
        say("no model is registered")


async def _show(settings: Settings, identifier: str) -> None:
    from podium.cli.reach import anybody

    async with anybody(settings) as client:
        as_json(await client.json(f"/api/v1/models/{identifier}"))


async def _add(settings: Settings, given: dict[str, Any]) -> None:
    from podium.cli.reach import anybody

    async with anybody(settings, make=True) as client:
        added = await client.post("/api/v1/models", json=given)
    say(f"{added['identifier']} is registered")


async def _deprecate(settings: Settings, identifier: str) -> None:
    from podium.cli.reach import anybody

    async with anybody(settings) as client:
        entry = await client.post(f"/api/v1/models/{identifier}/deprecate")
    say(f"{entry['identifier']} is deprecated")
