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


@pytest.mark.parametrize(
    "source",
    [
        "locals()['load'] = len",
        "def load(day): ...\nname = 'load'\nlocals()[name] = len",
        "import sys\nsys.modules[__name__].load = len",
        "from sys import modules as known\nknown[__name__].load = len",
        "def make():\n    import sys\n    here = sys.modules[__name__]\n    here.load = len\nmake()",
        "def load(day): ...\nload.__defaults__ = (3,)",
        "def load(day): ...\ndef ease():\n    load.__defaults__ = (3,)\nease()",
        "def load(day): ...\ndef ease(function):\n    load.__kwdefaults__ = {}\nease(load)",
        "import helper\nhelper.here.load = len",
        "match {}:\n    case {**load}: ...",
        "import builtins\nbuiltins.exec('load = len')",
        "from builtins import exec as perform\nperform('load = len')",
        "__import__('builtins').__dict__['exec']('load = len')",
        "eval('perform()')",
    ],
)
def test_of_a_module_that_makes_names_as_it_runs_nothing_is_said(directory: Path, source: str) -> None:
    (directory / "making.py").write_text(source)
    assert told(directory, "making:load") == []


def test_what_is_set_on_objects_within_functions_makes_no_names(directory: Path) -> None:
    (directory / "plain.py").write_text("class A:\n    def __init__(self):\n        self.load = 1\n")
    assert told(directory, "plain:load") == ["function: there is no 'load' in plain"]


def test_packages_need_no_init_file_however_deep_and_may_be_in_several_directories(directory: Path) -> None:
    other = directory / "other"
    for inner, name in ((directory / "space/deep/er", "one"), (other / "space/deep/er", "two")):
        inner.mkdir(parents=True)
        (inner / f"{name}.py").write_text("def load(day): ...")
    for name in ("one", "two"):
        assert list(faults(f"space.deep.er.{name}:load", {"day": 1}, [str(directory), str(other)])) == []
    assert "there is no module 'space.deep.er.three'" in told(directory, "space.deep.er.three:load")[0]


def test_a_directory_that_comes_later_is_seen(directory: Path) -> None:
    later = directory / "later"
    assert told(later, "new:load", "day")
    later.mkdir()
    (later / "new.py").write_text("def load(day): ...")
    assert told(later, "new:load", "day") == []


def test_arguments_that_a_result_will_be(directory: Path) -> None:
    assert list(faults("steps:load", None, [str(directory)])) == []


def test_a_module_that_was_changed_is_read_again(directory: Path) -> None:
    assert told(directory, "steps:new")
    (directory / "steps.py").write_text("def new(): ...")
    assert told(directory, "steps:new") == []
