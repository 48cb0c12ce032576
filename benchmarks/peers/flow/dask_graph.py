"""1 → N → 1 no-ops with dask.distributed, two worker processes; volatile. Prints jobs per second."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from dask.distributed import Client, LocalCluster


def noop(*_: object) -> int:
    return 1


def total(done: Sequence[int]) -> int:
    return sum(done)


def main(count: int) -> float:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.submit(noop, pure=False).result()
        begin = time.perf_counter()
        first = client.submit(noop, pure=False)
        middle = client.map(noop, range(count), [first] * count, pure=False)
        assert client.submit(total, middle, pure=False).result() == count
        return (count + 2) / (time.perf_counter() - begin)


if __name__ == "__main__":
    print(f"{main(int(sys.argv[1])):.1f}")
