"""A process that conducts one graph, 1 → many → 1, to its end, and notes in a file what it performs."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from podium.engines.flow.machine import FlowMachine
from podium.runs import lease
from podium.runs.conductor import Conductor
from podium.runs.events import Submission
from podium.runs.journal import Journal
from podium.runs.machine import Performed, Recovery


class Noting:
    def __init__(self, notes):
        self.notes = os.open(notes, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    async def perform(self, run, document, command):
        os.write(self.notes, f"{command.key} {command.again}\n".encode())
        return Performed(0.0, command.key, command.node)

    async def recover(self, run, document):
        return Recovery()

    async def released(self, run): ...


async def main(directory: Path, width: int) -> None:
    journal = Journal(f"sqlite:///{directory / 'journal.db'}", owner=lease.this_process())
    await journal.open()
    down = await journal.acquire()
    conductor = Conductor(
        journal, {"flow": SimpleNamespace(machine=FlowMachine(), performer=Noting(directory / "performed"))}
    )
    await conductor.start(down)
    middle = {f"m{n}": {"kind": "any", "after": ["first"]} for n in range(width)}
    jobs = {"first": {"kind": "any"}, **middle, "end": {"kind": "any", "after": list(middle)}}
    await conductor.submit(Submission("run", "flow", "run", {"flow": {"jobs": jobs, "limit": 20}}, key="once"))
    await conductor.wait("run")
    await conductor.close()
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
