"""The command line. Whatever a command does not need is not imported, so that it answers at once."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from podium import __version__
from podium.cli import clients, graphs, jobs, models, results, run, serve
from podium.cli.screen import complain
from podium.errors import PodiumError

REFUSED = 2

app = typer.Typer(
    name="podium",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell(wanted: bool) -> None:
    if wanted:
        typer.echo(f"podium {__version__}")
        raise typer.Exit


@app.callback()
def podium(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Runs models together: deploys them, wires them to a message bus and conducts them."""


run.add_to(app)
serve.add_to(app)
clients.add_to(app)
jobs.add_to(app)
results.add_to(app)
graphs.add_to(app)
models.add_to(app)


def main() -> None:
    """Exit 0 on success, 1 when a run failed, 2 when a document or a call was refused."""
    try:
        app()
    except PodiumError as error:
        complain(error)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has had enough of it
        sys.stderr.close()
        sys.exit(1)
