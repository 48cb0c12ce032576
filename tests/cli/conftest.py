"""A terminal on a directory of its own, in which nothing lives when the test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal


@pytest.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    await terminal("stop", "--all")
