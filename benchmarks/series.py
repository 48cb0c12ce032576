"""Points a second through `/write`, into Podium's DuckDB and into a real influxd, beside each other.

    python -m benchmarks.series [POINTS]

Each writer is a connection that posts bodies of lines and waits for the answer, as models do. The writers are in this
process, each server is in one of its own. Both keep what they answered when they are killed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.parts.influx import running

START = 1_674_604_800
SHAPES = ((1, 5000), (1, 100), (20, 5000), (20, 100), (20, 10))  # writers, points a body


@contextmanager
def podium(directory: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.series", "--serve", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def influxd(directory: Path) -> Iterator[str]:
    with running(directory, auth=False) as influx:
        yield influx.url


async def serve(directory: Path) -> None:
    import socket

    import uvicorn
    from fastapi import FastAPI

    from podium.server.influx import influx_router
    from podium.stores.series_duckdb import DuckDbSeries

    store = DuckDbSeries(directory / "series.duckdb")
    await store.open()
    app = FastAPI()
    app.include_router(influx_router(store, lambda _user, _password: True))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        await uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[listening])
    await store.close()


def bodies(run: str, points: int, size: int) -> list[bytes]:
    lines = [
        f"pvinstallation,esdl_id=pv-{n % 50},esdl_name=PV\\ {n % 50},model_id=pv-{n % 10},simulation_id={run} "
        f"active_power={n * 1.25},reactive_power={n * 0.5} {START + 900 * (n // 50)}"
        for n in range(points)
    ]
    return ["\n".join(lines[at : at + size]).encode() for at in range(0, points, size)]


async def post(port: int, prepared: list[bytes]) -> None:
    """Posts one body after another on a connection; by hand, since a client library costs more than the servers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for body in prepared:
        writer.write(b"POST /write?db=dots&precision=s HTTP/1.1\r\nHost: localhost\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 204"), head
    writer.close()
    await writer.wait_closed()


async def measure(url: str, points: int, writers: int, size: int) -> float:
    port = int(url.rpartition(":")[2])
    run = f"run-{writers}-{size}"
    prepared = [bodies(f"{run}-{n}", points // writers, size) for n in range(writers)]
    began = time.perf_counter()
    await asyncio.gather(*(post(port, each) for each in prepared))
    took = time.perf_counter() - began
    counted = f"SELECT count(active_power) FROM pvinstallation WHERE simulation_id = '{run}-0'"  # noqa: S608
    answer = httpx.get(f"{url}/query", params={"db": "dots", "q": counted}).json()  # noqa: ASYNC210
    assert answer["results"][0]["series"][0]["values"][0][1] == points // writers
    return points / took


def main(points: int) -> None:
    print(f"{'writers':>7} {'points a body':>13} {'Podium, points/s':>17} {'influxd, points/s':>18} {'ratio':>6}")
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
        podium(Path(one)) as ours,
        influxd(Path(two)) as theirs,
    ):
        for url in (ours, theirs):
            httpx.post(f"{url}/query", params={"q": "CREATE DATABASE dots"}).raise_for_status()
        for writers, size in SHAPES:
            some = points if size > 10 else points // 10
            mine, yours = (asyncio.run(measure(url, some, writers, size)) for url in (ours, theirs))
            print(f"{writers:>7} {size:>13} {mine:>17,.0f} {yours:>18,.0f} {mine / yours:>6.2f}", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", directory]:
            asyncio.run(serve(Path(directory)))
        case [points]:
            main(int(points))
        case _:
            main(100_000)
