"""What can be said against a call without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.workers.source import faults

SOURCE = """
import os
from json import dumps as written
raise RuntimeError("nobody may import this")

def load(day, *, unit="h"): ...
def total(parts, **more): ...
def one(item): ...
def position(a, /): ...

@property
def wrapped(a): ...

if os.name == "posix":
    def both(a): ...
else:
    def both(b): ...

made = lambda a: a

class Thing: ...

def later():
    global found
    found = load
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "steps.py").write_text(SOURCE)
    (tmp_path / "torn.py").write_text("def load(:\n")
    (tmp_path / "makes.py").write_text("globals()['load'] = 5")
    (tmp_path / "asks.py").write_text("def __getattr__(name): ...")
    (tmp_path / "stars.py").write_text("from os import *")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inner.py").write_text("def load(day): ...")
    return tmp_path


def told(directory: Path, name: str, *given: str) -> list[str]:
    found = faults(name, dict.fromkeys(given), [str(directory)])
    return [f"{fault.where}: {fault.what}{f'. {fault.hint}' if fault.hint else ''}" for fault in found]


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("steps:laod", (), ["function: there is no 'laod' in steps. Did you mean load?"]),
        ("steps:RuntimeError", (), ["function: there is no 'RuntimeError' in steps"]),
        ("steps:load", (), ["arguments: steps:load needs 'day'"]),
        (
            "steps:load",
            ("dya", "unit"),
            [
                "arguments.dya: steps:load has no such argument. It takes day, unit",
                "arguments: steps:load needs 'day'",
            ],
        ),
        ("steps:later", ("day",), ["arguments.day: steps:later has no such argument. It takes none"]),
        ("torn:load", (), ["function: torn.py is not Python: invalid syntax (line 1)"]),
        ("package.other:load", (), ["no module 'package.other'"]),
        ("package.inner:load", (), ["arguments: package.inner:load needs 'day'"]),
        ("steps.inner:load", (), ["no module 'steps.inner'"]),
        ("none:load", (), ["no module 'none'"]),
    ],
)
def test_what_is_wrong(directory: Path, name: str, given: tuple[str, ...], why: list[str]) -> None:
    found = told(directory, name, *given)
    assert len(found) == len(why)
    assert all(one in fault for one, fault in zip(why, found, strict=True)), found


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("steps:load", ("day",)),
        ("steps:load", ("day", "unit")),
        ("steps:total", ("parts", "other")),
        ("steps:one", ("item",)),
        ("steps:position", ("a",)),
        ("steps:wrapped", ("b",)),
        ("steps:both", ("b",)),
        ("steps:made", ("b",)),
        ("steps:Thing", ("b",)),
        ("steps:found", ("b",)),
        ("steps:written", ("b",)),
        ("makes:load", ("b",)),
        ("asks:load", ("b",)),
        ("stars:load", ("b",)),
    ],
)
def test_what_is_not_certain_is_not_said(directory: Path, name: str, given: tuple[str, ...]) -> None:
    assert told(directory, name, *given) == []


def test_arguments_that_a_result_will_be(directory: Path) -> None:
    assert list(faults("steps:load", None, [str(directory)])) == []


def test_a_module_that_was_changed_is_read_again(directory: Path) -> None:
    assert told(directory, "steps:new")
    (directory / "steps.py").write_text("def new(): ...")
    assert told(directory, "steps:new") == []
