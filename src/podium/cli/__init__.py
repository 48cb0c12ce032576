"""The command line. Whatever a command does not need is not imported, so that it answers at once."""

from __future__ import annotations

import sys

import typer

from podium.cli import clients, models, run, serve
from podium.cli.screen import complain
from podium.errors import PodiumError

REFUSED = 2

app = typer.Typer(
    name="podium",
    help="Runs models together: deploys them, wires them to a message bus and conducts them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
run.add_to(app)
serve.add_to(app)
clients.add_to(app)
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
