"""A terminal on a directory of its own, in which nothing lives when the test is over."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell in the background, and children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
async def podium(tmp_path: Path) -> AsyncIterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    await terminal("stop", "--all")
