"""What is written to the terminal: progress and complaints to stderr, what was asked for to stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podium.errors import Conflict

if TYPE_CHECKING:
    from rich.console import Console

    from podium.errors import PodiumError

WIDE = 200  # characters, where there is no terminal to be as wide as
STYLES = {
    "queued": "yellow",
    "starting": "blue",
    "running": "blue",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "bright_black",
}


@cache
def out() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)


@cache
def err() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def complain(error: PodiumError) -> None:
    """One line that says what is wrong and what to do, and one for each fault where there are several."""
    from rich.text import Text

    place = f"{error.where}: " if error.where else ""
    line = Text.assemble((f"podium: {place}{error.problem}", "red"), f". {error.hint}" if error.hint else "")
    for each in (line, *(Text(f"  {fault}") for fault in error.faults)):
        err().print(Text(" ").join(each.split("\n")))


def say(text: str = "") -> None:
    """A line for people, beside what was asked for."""
    from rich.text import Text

    err().print(Text(text))


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Where files are written that somebody named. Raises: Conflict, when there is no place for them."""
    try:
        yield
    except OSError as error:
        raise Conflict(f"it cannot be written: {(error.strerror or '').lower()}", where=str(path)) from None


def escape(text: str) -> str:
    """For what is printed as markup."""
    from rich.markup import escape as escaped

    return escaped(text)


def state(name: str) -> str:
    return f"[{STYLES.get(name, '')}]{name}[/]"


def moment(time: float | None) -> str:
    return "" if time is None else datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def as_json(value: Any) -> None:
    """One line of JSON on stdout."""
    import json

    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def summary(lines: list[dict[str, Any]]) -> None:
    """The table of results."""
    from podium.server.words import number

    rows = (
        [
            *(line["measurement"], line["field"], line["unit"] or ""),
            *(number(line[key]) for key in ("objects", "count", "min", "mean", "max", "last")),
        ]
        for line in lines
    )
    plain_table(["results of", "field", "unit"], ["objects", "values", "min", "mean", "max", "last"], rows)


def plain_table(left: Sequence[str], right: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns of text, those of numbers on the `right`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in left:
        table.add_column(title)
    for title in right:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*map(Text, row))
    out().print(table)
