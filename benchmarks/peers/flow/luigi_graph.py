"""1 → N → 1 no-ops with Luigi, local scheduler, one process, targets in memory; volatile. Prints jobs per second."""

from __future__ import annotations

import logging
import sys
import time

import luigi
from luigi.mock import MockTarget


class Noop(luigi.Task):  # type: ignore[misc]
    number = luigi.IntParameter()
    count = luigi.IntParameter()

    def output(self) -> MockTarget:
        return MockTarget(f"noop-{self.number}")

    def requires(self) -> list[Noop]:
        if self.number == 0:
            return []
        if self.number == self.count + 1:
            return [Noop(number, self.count) for number in range(1, self.count + 1)]
        return [Noop(0, self.count)]

    def run(self) -> None:
        with self.output().open("w") as file:
            file.write("1")


def main(count: int) -> float:
    logging.disable(logging.CRITICAL)
    begin = time.perf_counter()
    assert luigi.build([Noop(count + 1, count)], workers=1, local_scheduler=True)
    return (count + 2) / (time.perf_counter() - begin)


if __name__ == "__main__":
    print(f"{main(int(sys.argv[1])):.1f}")
