"""1 → N → 1 no-ops as steps of a DBOS workflow, journal in SQLite. Prints jobs per second."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time

from dbos import DBOS, DBOSConfig


@DBOS.step()  # type: ignore[misc]
async def noop() -> int:
    return 1


@DBOS.workflow()  # type: ignore[misc]
async def graph(count: int) -> int:
    await noop()
    done = await asyncio.gather(*(noop() for _ in range(count)))
    await noop()
    return sum(done)


async def main(count: int) -> float:
    with tempfile.TemporaryDirectory() as directory:
        config: DBOSConfig = {
            "name": "graph",
            "system_database_url": f"sqlite:///{directory}/dbos.sqlite",
            "log_level": "ERROR",
        }
        DBOS(config=config)
        DBOS.launch()
        await graph(1)
        begin = time.perf_counter()
        assert await graph(count) == count
        seconds = time.perf_counter() - begin
        DBOS.destroy()
    return (count + 2) / seconds


if __name__ == "__main__":
    print(f"{asyncio.run(main(int(sys.argv[1]))):.1f}")
