"""What jobs use, as health tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.dialects.graph.functions import GraphFunctions
from podium.settings import load
from podium.stack.whole import Stack
from podium.workers.process import CallFailed


async def test_an_artifact_store_that_is_down_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = Stack(load(port=0, artifacts="http://me:hunter2@127.0.0.1:1"))._jobs
    await jobs.probe()
    told = jobs.faults["artifacts"]
    await jobs.close(keep_services=False)
    assert told is not None
    assert "127.0.0.1:1" in told
    assert "hunter2" not in told


async def test_workers_that_cannot_be_started_are_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    functions = GraphFunctions([tmp_path], tmp_path / "file" / "workers")
    assert not functions.used
    with pytest.raises(CallFailed, match="no worker can be started"):
        await functions._shared.call("steps:one", {})
    assert functions.used
    assert "no worker can be started" in str(functions.fault)
    await functions.close()
