"""A ring of N mosaik simulators, a process each: one float to the next neighbour in every step.

python -m benchmarks.peers.mosaik_ring N STEPS      prints steps per second
"""

from __future__ import annotations

import sys
import time
from typing import Any

import mosaik
import mosaik_api_v3
from loguru import logger

META = {
    "api_version": "3.0",
    "type": "time-based",
    "models": {"Node": {"public": True, "params": [], "attrs": ["value", "neighbour"]}},
}


class Node(mosaik_api_v3.Simulator):
    def __init__(self) -> None:
        super().__init__(META)
        self.value = 0.0

    def create(self, num: int, model: str, **_: Any) -> list[dict[str, str]]:
        return [{"eid": "node", "type": model} for _ in range(num)]

    def step(self, time: int, inputs: dict[str, Any], max_advance: int) -> int:
        for neighbours in inputs.get("node", {}).values():
            self.value = sum(neighbours.values()) + 1.0
        return time + 1

    def get_data(self, outputs: dict[str, list[str]]) -> dict[str, Any]:
        return {"node": dict.fromkeys(outputs["node"], self.value)}


def main(count: int, steps: int) -> float:
    logger.remove()
    with mosaik.World({"Node": {"cmd": f"{sys.executable} -m benchmarks.peers.mosaik_ring serve %(addr)s"}}) as world:
        nodes = [world.start("Node").Node() for _ in range(count)]
        for index, node in enumerate(nodes):
            world.connect(
                node,
                nodes[(index + 1) % count],
                ("value", "neighbour"),
                time_shifted=True,
                initial_data={"value": 0.0},
            )
        begin = time.perf_counter()
        world.run(until=steps, print_progress=False)
        seconds = time.perf_counter() - begin
    return steps / seconds


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        sys.argv = [sys.argv[0], *sys.argv[2:]]
        logger.remove()
        mosaik_api_v3.start_simulation(Node())
    else:
        print(f"{main(int(sys.argv[1]), int(sys.argv[2])):.1f}")
