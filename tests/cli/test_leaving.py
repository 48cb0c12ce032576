"""A signal while a run is being submitted: its first job may begin before the terminal hears of it."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from tests.cli.terminal import Terminal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

# A run that waits for a message that nobody sends, submitted over a connection that answers when it is told to.
SUBMITTING = """
import asyncio, sys
from podium.cli.run import conduct
from podium.settings import Settings

async def submit(client):
    graph = b'{"jobs": {"never": {"message": {"wait": {"topic": "/never"}}}}}'
    new = await client.post("/api/v1/runs", content=graph, filename="graph.json")
    print("submitted", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    return new

sys.exit(asyncio.run(conduct(Settings(), submit, json=True)))
"""


async def submitting(podium: Terminal) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUBMITTING, cwd=podium.directory, env=podium.env, stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert process.stdout
    assert await process.stdout.readline() == b"submitted\n"
    return process


async def said(process: asyncio.subprocess.Process, words: str) -> None:
    assert process.stderr
    lines = []
    async for line in process.stderr:
        lines.append(line.decode())
        if words in lines[-1]:
            return
    raise AssertionError(lines)


async def test_ctrl_c_cancels_it(podium: Terminal) -> None:
    process = await submitting(podium)
    process.send_signal(signal.SIGINT)
    await said(process, "cancelling; Ctrl-C again leaves at once")
    assert process.stdin
    process.stdin.write(b"\n")
    ended = await podium.end(process)
    assert ended.code == 1, ended.err
    assert ended.json["state"] == "cancelled"


async def test_sigterm_leaves_and_says_where_to_look(podium: Terminal) -> None:
    process = await submitting(podium)
    process.terminate()
    await said(process, "left while it was being submitted; `podium status` tells whether it was")
    assert process.stdin
    process.stdin.write(b"\n")
    ended = await podium.end(process)
    assert ended.code == 143, ended.err
    (run,) = (await podium("status", "--json")).json["runs"]
    assert run["state"] in ("queued", "running")
