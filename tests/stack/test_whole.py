"""A whole Podium in this process, with its real broker: what it opens, what outlives it, and what it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from podium.backplane.port import ModelSpec
from podium.cli.client import through
from podium.errors import Conflict, Unavailable
from podium.settings import load
from podium.stack.whole import Stack


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PODIUM_", "MQTT_", "INFLUXDB_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def stack(**given: Any) -> Stack:
    return Stack(load(**{"port": 0, **given}))


@asynccontextmanager
async def started(**given: Any) -> AsyncIterator[Stack]:
    podium = stack(**given)
    await podium.start()
    try:
        yield podium
    finally:
        await podium.close()


def trusted(podium: Stack) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return through(podium.home)


def broker_lives() -> bool:
    file = Path(".podium/broker/broker.pid")
    if not file.exists():
        return False
    try:
        os.kill(json.loads(file.read_text())["pid"], 0)
    except ProcessLookupError:
        return False
    return True


def broker_passwords() -> list[str]:
    kept = json.loads(Path(".podium/broker/broker.json").read_text())
    return [kept["podium_password"], kept["models_password"]]


async def test_all_parts_are_ready_and_gone_again() -> None:
    async with started() as podium, trusted(podium) as http:
        assert (await http.get("/readyz")).json() == {"status": "ready"}
        async with httpx.AsyncClient(base_url=podium.addresses[0], timeout=60) as stranger:
            assert (await stranger.get("/healthz")).status_code == 200
            assert (await stranger.get("/api/v1/simulation/")).status_code == 401
        assert broker_lives()
        with pytest.raises(Conflict):
            await stack().start()
        assert (await http.get("/readyz")).status_code == 200  # the other did no harm
    assert not broker_lives()
    assert not podium.home.has_owner()


async def test_models_find_the_same_door_for_results_after_a_restart() -> None:
    ports = []
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for restart in (False, True):
            if restart:  # bound, so that nobody else is given it meanwhile, and not listened on: Podium is let in
                kept.bind(("127.0.0.1", ports[0]))
            async with started() as podium:
                port = podium.home.models_port
                ports.append(port)
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as model:
                    assert (await model.get("/ping")).status_code == 204
                    line = "pv,simulation_id=a,model_id=pv-1,esdl_id=roof power=1"
                    for password, status in ((podium.secrets.get("influx"), 204), ("wrong", 401)):
                        query = {"db": "podium", "u": "podium", "p": password}
                        assert (await model.post("/write", params=query, content=line)).status_code == status
    assert ports[0] == ports[1]


async def test_more_ports_serve_the_same() -> None:
    async with started(ports="0,0") as podium:
        assert len(set(podium.addresses)) == 4  # the page, two more, and the door for models
        for address in podium.addresses:
            async with httpx.AsyncClient(base_url=address, timeout=60) as http:
                assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_who_only_looks_conducts_nothing() -> None:
    async with started():
        pass
    podium = stack()
    await podium.look()
    try:
        transport = httpx.ASGITransport(podium.app.asgi)
        token = await podium._auth.login("DotsUser", podium.secrets.get("password"))
        headers = {"Authorization": f"Bearer {token}", "Host": "localhost"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
            assert (await http.get("/api/v1/runs")).json() == {"runs": [], "next": None}
            refused = await http.post("/api/v1/runs/none/cancel")
            assert refused.status_code == 503
            assert "podium serve" in refused.json()["hint"]
        assert not podium.home.has_owner()
        assert not broker_lives()
    finally:
        await podium.close()


async def test_a_lost_lease_ends_it() -> None:
    async with started() as podium, trusted(podium) as http:
        podium._journal.lost.set()
        await podium.stopping.wait()
        assert podium.lost
        assert (await http.get("/readyz")).json()["parts"] == {"journal": "another Podium has taken over"}


def sleeper_file() -> None:
    sleeper = {"image": "sleeper:1", "command": ["sleep", "1000"]}
    Path("models.yaml").write_text(yaml.safe_dump({"models": [sleeper]}))


async def test_models_and_their_broker_outlive_it_until_all_is_ended() -> None:
    sleeper_file()
    async with started(models="models.yaml") as podium:
        await podium._backplane.deploy(ModelSpec("sleeper", "sleeper:1"))
    assert broker_lives()
    async with started(models="models.yaml") as podium:
        (model,) = await podium._backplane.list()
        assert not model.state.ended
        podium.stop(everything=True)
    assert not broker_lives()
    async with started(models="models.yaml") as podium:
        assert [one for one in await podium._backplane.list() if not one.state.ended] == []


async def test_what_cannot_start_leaves_nothing_behind() -> None:
    with pytest.raises(Unavailable):
        await stack(broker="mqtt://127.0.0.1:1").start()
    async with started():
        assert broker_lives()


async def test_every_password_it_has_is_kept_out_of_what_is_shown() -> None:
    given = {"password": "open sesame", "secret_key": "k" * 32}
    async with started(**given) as podium:
        secrets = [given["password"], given["secret_key"], *broker_passwords()]
        assert podium.secrets.redact(" ".join(secrets)) == "*** *** *** ***"


def test_what_few_need_is_loaded_when_it_is_needed() -> None:
    heavy = {"aiobotocore", "aiohttp", "bson", "duckdb", "fsspec", "matplotlib", "nats", "psycopg", "pymongo", "s3fs"}
    code = f"import sys, podium.stack.whole; print(*{heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
