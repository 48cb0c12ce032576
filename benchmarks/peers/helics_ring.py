"""A ring of N HELICS federates, a process each, over zmq: one float to the next neighbour in every step.

python -m benchmarks.peers.helics_ring N STEPS      prints steps per second
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from multiprocessing.connection import wait
from multiprocessing.synchronize import Barrier

import helics as h

from benchmarks.ports import free_row


def federate(
    index: int, count: int, steps: int, port: int, ready: Barrier, times: multiprocessing.Queue[float]
) -> None:
    info = h.helicsCreateFederateInfo()
    h.helicsFederateInfoSetCoreTypeFromString(info, "zmq")
    h.helicsFederateInfoSetCoreInitString(info, f"--federates=1 --brokerport={port}")
    h.helicsFederateInfoSetTimeProperty(info, h.HELICS_PROPERTY_TIME_PERIOD, 1.0)
    fed = h.helicsCreateValueFederate(f"fed{index}", info)
    out = h.helicsFederateRegisterGlobalPublication(fed, f"value{index}", h.HELICS_DATA_TYPE_DOUBLE, "")
    into = h.helicsFederateRegisterSubscription(fed, f"value{(index - 1) % count}", "")
    h.helicsFederateEnterExecutingMode(fed)
    ready.wait()
    begin = time.perf_counter()
    value = float(index)
    for step in range(1, steps + 1):
        h.helicsPublicationPublishDouble(out, value)
        h.helicsFederateRequestTime(fed, float(step))
        value = h.helicsInputGetDouble(into) + 1.0
    if index == 0:
        times.put(time.perf_counter() - begin)
    h.helicsFederateDisconnect(fed)
    h.helicsFederateFree(fed)


def main(count: int, steps: int) -> float:
    port = free_row(4 * count + 10)  # each federate takes two above it
    broker = h.helicsCreateBroker("zmq", "", f"--federates={count} --port={port}")
    context = multiprocessing.get_context("spawn")
    ready, times = context.Barrier(count), context.Queue()
    processes = [
        context.Process(target=federate, args=(index, count, steps, port, ready, times)) for index in range(count)
    ]
    for process in processes:
        process.start()
    alive = {process.sentinel: process for process in processes}
    while alive:
        for sentinel in wait(list(alive)):
            if code := alive.pop(sentinel).exitcode:
                for process in alive.values():
                    process.kill()
                raise RuntimeError(f"a federate ended with exit code {code}")
    seconds = times.get()
    h.helicsBrokerDisconnect(broker)
    h.helicsCloseLibrary()
    return steps / seconds


if __name__ == "__main__":
    print(f"{main(int(sys.argv[1]), int(sys.argv[2])):.1f}")
