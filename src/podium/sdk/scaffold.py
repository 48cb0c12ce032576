"""Makes a new project from a template: files that already work, to be changed."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Template

KINDS = ("service",)

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_TAKEN = sys.stdlib_module_names | {"google", "paho", "podium", "pytest"}


class ScaffoldRefused(ValueError):
    """The project cannot be made; nothing was written."""


def create(kind: str, name: str, directory: Path) -> list[Path]:
    """Write a project into `directory`/`name`, and give its files.

    Args:
        kind: what to make, one of `KINDS`.
        name: what it is called, in lower-case letters, digits, `_` and `-`.
        directory: where the project's own directory is made.

    Raises:
        ScaffoldRefused: unknown kind, a name that cannot be used, or a file that is there already.
    """
    if kind not in KINDS:
        raise ScaffoldRefused(f"there is no template for a {kind!r}; there are: {', '.join(KINDS)}")
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > 40:
        raise ScaffoldRefused(f"{name!r} is no name for a {kind}: lower-case letters, digits, '_' and '-', at most 40")
    if keyword.iskeyword(module) or module in _TAKEN:
        raise ScaffoldRefused(f"{name!r} is the name of a module or word of Python; choose another")
    home = directory / name
    contents = {home / path: text for path, text in _rendered(kind, {"name": name, "module": module})}
    if existing := [path for path in contents if path.exists()]:
        raise ScaffoldRefused(f"{existing[0]} exists already, and is left as it is")
    home.mkdir(parents=True, exist_ok=True)
    for path, text in contents.items():
        path.write_text(text, encoding="utf-8")
    return list(contents)


def _rendered(kind: str, words: dict[str, str]) -> Iterator[tuple[str, str]]:
    for file in sorted(files(__package__).joinpath("templates", kind).iterdir(), key=lambda file: file.name):
        if file.is_file():
            name = file.name.removesuffix(".tmpl")
            yield Template(name).substitute(words), Template(file.read_text(encoding="utf-8")).substitute(words)
