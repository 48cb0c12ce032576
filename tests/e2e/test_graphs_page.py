"""What docs/graphs.md shows is what Podium reads and runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podium.dialects.graph.reading import KEYS, OF_JOB
from tests.cli.terminal import Terminal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PAGE = (Path(__file__).parents[2] / "docs" / "graphs.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+ file=(\S+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    yield terminal
    await terminal("stop", "--all")


async def test_the_first_example_runs_and_runs_again(podium: Terminal) -> None:
    ended = await podium("run", "graph.yaml", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["progress"]["counts"]["succeeded"] == 5
    again = await podium("restart", ended.json["id"], "--from", "clean", "--edit", "load.arguments.day=4")
    assert again.code == 0, again.err
    assert "dropping what is missing" in (await podium("logs", ended.json["id"])).out


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".yaml")])
async def test_a_document_of_the_page_is_good(podium: Terminal, name: str) -> None:
    ended = await podium("validate", name)
    assert ended.code == 0, ended.err


def test_every_key_is_told() -> None:
    assert [key for key in (*KEYS, *OF_JOB) if f"| `{key}` |" not in PAGE] == []


def test_every_kind_is_told() -> None:
    kinds = ("analytics", "container", "http", "message", "python", "run")
    assert [kind for kind in kinds if f"| `{kind}` |" not in PAGE] == []
