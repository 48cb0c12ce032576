"""1 → N → 1 no-op ops of a Dagster job, in one process, instance on disk. Prints jobs per second."""

from __future__ import annotations

import logging
import sys
import tempfile
import time

import dagster as d


@d.op
def first() -> int:
    return 1


@d.op
def noop(value: int) -> int:
    return value


@d.op
def total(done: list[int]) -> int:
    return sum(done)


def job(count: int) -> d.JobDefinition:
    @d.job(executor_def=d.in_process_executor)
    def graph() -> None:
        begin = first()
        total([noop.alias(f"noop_{number}")(begin) for number in range(count)])

    return graph


def main(count: int) -> float:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as directory, d.DagsterInstance.local_temp(directory) as instance:
        graph = job(count)
        begin = time.perf_counter()
        assert graph.execute_in_process(instance=instance).success
        return (count + 2) / (time.perf_counter() - begin)


if __name__ == "__main__":
    print(f"{main(int(sys.argv[1])):.1f}")
