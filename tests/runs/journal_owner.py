"""A process that owns a journal and appends a step for each line it reads; it says what came of each.

Told to `renew`, it renews its lease right after it.
"""

from __future__ import annotations

import asyncio
import sys

from podium.errors import PodiumError
from podium.runs import lease
from podium.runs.events import Event, Submission
from podium.runs.journal import Journal
from tests.runs.leases import renew_soon


async def main(url: str, lease_seconds: float) -> None:
    journal = Journal(url, owner=lease.this_process(), lease_seconds=lease_seconds)
    await journal.open()
    print("owned", await journal.acquire(), flush=True)
    await journal.submit(Submission("a", "test.counting", "a", {}))
    print("submitted", flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        try:
            if line == "lost":
                await journal.lost.wait()
            if line == "renew":
                renew_soon(journal)
            recorded = await journal.append("a", [Event("step", {"n": line})])
            print("appended", recorded[-1].seq, flush=True)
        except PodiumError as error:
            print(type(error).__name__, error.problem, flush=True)
    await journal.close()
    print("closed", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
