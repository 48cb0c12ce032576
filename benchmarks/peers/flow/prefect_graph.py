"""1 → N → 1 no-op tasks of a Prefect flow, with a server of its own on SQLite. Prints jobs per second."""

from __future__ import annotations

import os
import sys
import tempfile
import time


def main(count: int) -> float:
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    @task
    def noop(*_: object) -> int:
        return 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=16))
    def graph(count: int) -> int:
        first = noop.submit()
        middle = [noop.submit(first) for _ in range(count)]
        noop.submit(wait_for=middle).result()
        return sum(done.result() for done in middle)

    graph(1)
    begin = time.perf_counter()
    assert graph(count) == count
    return (count + 2) / (time.perf_counter() - begin)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "PREFECT_HOME": home,
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
        }
        print(f"{main(int(sys.argv[1])):.1f}")
