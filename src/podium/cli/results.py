"""`podium results`: the values of a simulation, the files of an analysis, what the jobs of a graph returned."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, unquote, urlsplit

import typer

from podium.cli import options
from podium.cli.screen import as_json, say, summary, written
from podium.cli.serve import run_loop
from podium.errors import Conflict, NotFound

if TYPE_CHECKING:
    from podium.cli.client import Client
    from podium.settings import Settings

SHORT = 120  # characters of a result
OF_JOBS = "--json prints what they returned, --artifacts DIRECTORY writes what they left"
PAGE = 50  # jobs whose results are asked for at once: each may be large


def add_to(app: typer.Typer) -> None:
    app.command()(results)


def results(
    run: options.Run,
    csv: Annotated[Path | None, typer.Option(help="Write CSV files into this directory.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write Parquet files into this directory.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a plot into this PNG file.")] = None,
    artifacts: Annotated[
        Path | None, typer.Option(help="Write what jobs left in the artifact store, plots too, into this directory.")
    ] = None,
    json: options.Json = False,
    data: options.Data = None,
) -> None:
    """Print what has come of a run; save it as files, or as a plot."""
    run_loop(_results(options.settings(data=data), run, csv, parquet, plot, artifacts, json=json))


async def _results(
    settings: Settings,
    run: str,
    csv: Path | None,
    parquet: Path | None,
    plot: Path | None,
    artifacts: Path | None,
    *,
    json: bool,
) -> None:
    from podium.cli.reach import anybody, named
    from podium.cli.run import write

    async with anybody(settings, at_results=True) as client:
        run = await named(client, run)
        path = f"/api/v1/runs/{run}"
        of_jobs = "jobs" in (await client.run(run)).get("progress", {})
        if of_jobs and (csv or parquet or plot):
            raise Conflict("jobs have no values in time that could be written or drawn", where=run, hint=OF_JOBS)
        if plot is not None and plot.suffix != ".png":
            raise Conflict("a plot is drawn as PNG only", where=str(plot), hint=f"Call it {plot.with_suffix('.png')}")
        if csv is not None:
            _unpack((await client.get(f"{path}/results", format="csv")).content, csv)
        if parquet is not None:
            _unpack((await client.get(f"{path}/results", format="parquet")).content, parquet)
        if artifacts is not None:
            await _save(client, f"{path}/artifacts", artifacts)
        if plot is not None:
            write(plot, (await client.get(f"{path}/plot.png")).content)
            say(f"{plot}")
        if csv or parquet or plot or artifacts:
            return
        found: dict[str, Any] = await client.json(f"{path}/results", limit=1000 if json else 0)
        if of_jobs:
            found |= await client.json(f"{path}/artifacts")
            if json or not found["artifacts"]:
                found["jobs"] = await _returned(client, path)
    if json:
        as_json(found)
    else:
        _show(found)


async def _save(client: Client, path: str, directory: Path) -> None:
    """All artifacts, one after the other. Raises: NotFound, when there is none; Conflict, when some have no place."""
    found = (await client.json(path))["artifacts"]
    if not found:
        raise NotFound("the jobs of this run have left nothing in the artifact store (yet)")
    unsaved = 0
    for one in found:
        target = directory / one["path"]
        try:
            await client.save(f"{path}/{quote(one['path'])}", target)
        except NotFound:
            say(f"{one['path']} is gone")
        except OSError as error:  # in an S3 `a` and `a/b` can be both
            unsaved += 1
            say(f"{target} cannot be written: {error.strerror}")
        else:
            say(f"{target}")
    if unsaved:
        raise Conflict(f"{unsaved} of {len(found)} files could not be written", where=str(directory))


async def _returned(client: Client, path: str) -> dict[str, Any]:
    """What jobs returned, by name."""
    found: dict[str, Any] = {}
    offset: int | None = 0
    while offset is not None:
        page = await client.json(f"{path}/jobs", results=True, offset=offset, limit=PAGE)
        found |= {job["job"]: job["result"] for job in page["jobs"]}
        offset = page["next"]
    return found


def _show(found: Mapping[str, Any]) -> None:
    if found["summary"]:
        summary(found["summary"])
    elif found.get("artifacts"):
        _list(found["artifacts"])
        for line in where(found):
            say(line)
        say("--artifacts DIRECTORY writes them all there")
    elif found.get("jobs"):
        _shorten(found["jobs"])
    else:
        say("this run has no results (yet)")


def _list(artifacts: Sequence[Mapping[str, Any]]) -> None:
    from podium.cli.screen import plain_table
    from podium.server.words import size, titled

    rows = ([titled(one["job"], one["kind"]), one["what"], one["path"], size(one["size"])] for one in artifacts)
    plain_table(["job", "what", "where"], ["size"], rows)


def _shorten(jobs: Mapping[str, Any]) -> None:
    from json import dumps

    from podium.cli.screen import plain_table

    texts = ((name, dumps(result, ensure_ascii=False)) for name, result in jobs.items())
    rows = [[name, text if len(text) <= SHORT else f"{text[:SHORT]} ..."] for name, text in texts]
    plain_table(["job", "result"], [], rows)
    if any(row[1].endswith(" ...") for row in rows):
        say("--json prints them whole")


def where(found: Mapping[str, Any]) -> Iterator[str]:
    """The folders that hold all artifacts, and how many these are."""
    from podium.server.words import size

    total = sum(one["size"] for one in found["artifacts"])
    paths = sorted(one["path"] for one in found["artifacts"])
    for _, in_bucket in groupby(paths, lambda path: path.partition("/")[0]):
        yield _place(found["store"], os.path.commonpath([path.rpartition("/")[0] for path in in_bucket]))
    yield f"{len(paths)} file{'' if len(paths) == 1 else 's'}, {size(total)}"


def _place(store: str, folder: str) -> str:
    """A directory as it can be typed, as long as it is one."""
    parts = urlsplit(store)
    if parts.scheme != "file":
        return f"{store}/{folder}"
    path = Path(unquote(parts.path)) / folder
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _unpack(content: bytes, directory: Path) -> None:
    with written(directory), zipfile.ZipFile(io.BytesIO(content)) as archive:
        directory.mkdir(parents=True, exist_ok=True)
        for name in archive.namelist():
            say(archive.extract(name, directory))
