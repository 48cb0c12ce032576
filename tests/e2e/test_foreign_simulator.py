"""`podium mso`, as a command, opposite a simulator of another make: paho and its own `.proto`, nothing of Podium's."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.brokers import Broker
from tests.e2e.foreign import compiled
from tests.e2e.harness import Command, end_models
from tests.e2e.simulator import IMAGE, Simulator

pytestmark = [pytest.mark.e2e]

MODEL = Path(__file__).parents[1] / "dialects" / "dots" / "mso_model.py"


@pytest.fixture
async def so(broker: Broker, tmp_path: Path) -> AsyncIterator[Simulator]:
    pb = compiled(tmp_path)
    async with Simulator(pb, broker.host, broker.mqtt_port, broker.user, broker.password) as simulator:
        yield simulator


@pytest.fixture
async def mso(broker: Broker, tmp_path: Path) -> AsyncIterator[Command]:
    models = tmp_path / "models.yaml"
    models.write_text(yaml.safe_dump({"models": [{"image": IMAGE, "command": ["python", str(MODEL)]}]}))
    words = ["mso", "--broker", broker.url, "--models", str(models), "--data", str(tmp_path / "data")]
    account = {"PODIUM_BROKER_USERNAME": broker.user, "PODIUM_BROKER_PASSWORD": broker.password}
    command = Command(tmp_path, words, "ready", account)
    try:
        await command.start()
        yield command
        assert await command.stop() == 0
    finally:
        await command.leave()
        await end_models(tmp_path / "data")


async def test_a_foreign_simulator_has_its_models_run(mso: Command, so: Simulator) -> None:
    so.deploy("sim", "pv-1", "pv-2", "pv-3", bad="die:3")
    failed = await so.end("sim", "bad")
    assert (failed.status, failed.exitCode) == (so.pb.FAILED, 3)
    await so.ready("sim")
    await so.said_ready("pv-1", "pv-2", "pv-3")
    so.order("sim", "pv-1", "end", b"0")
    done = await so.end("sim", "pv-1")
    assert (done.status, done.exitCode) == (so.pb.SUCCESSFULL, 0)
    assert so.count("AllModelsHaveTerminated") == 0
    so.remove("sim")
    await so.over("sim")
    removed = [await so.end("sim", model) for model in ("pv-2", "pv-3")]
    assert {(one.status, one.exitCode) for one in removed} == {(so.pb.FAILED, 128 + signal.SIGTERM)}
    assert so.count("ModelHasTerminated") == 4


async def test_what_ended_while_it_was_killed_is_told_when_it_is_back(mso: Command, so: Simulator) -> None:
    so.deploy("sim", "a", "b", "c", "d")
    await so.ready("sim")
    processes = {model: await process(so, model) for model in "abc"}
    await mso.kill()
    so.order("sim", "a", "end", b"0")
    so.order("sim", "b", "end", b"5")
    signal.pidfd_send_signal(processes["c"], signal.SIGKILL)
    for each in processes.values():
        await ended(each)
    await mso.start()
    ends = {model: (end.status, end.exitCode) for model in "abc" if (end := await so.end("sim", model))}
    assert ends == {"a": (so.pb.SUCCESSFULL, 0), "b": (so.pb.FAILED, 5), "c": (so.pb.FAILED, 128 + signal.SIGKILL)}
    assert so.count("AllModelsHaveTerminated") == 0
    so.order("sim", "d", "end", b"0")
    assert (await so.end("sim", "d")).exitCode == 0
    await so.over("sim")
    await so.said_ready("a", "b", "c", "d")


async def test_a_request_that_the_broker_retains_is_not_carried_out_again(mso: Command, so: Simulator) -> None:
    so.deploy("past", "a", hours=1e-6, retain=True)
    await so.ready("past")
    so.order("past", "a", "end", b"0")
    await so.over("past")
    await mso.kill()
    await mso.start()
    so.deploy("sim", "a")
    await so.ready("sim")
    so.remove("sim")
    await so.over("sim")
    await so.said_ready("a", simulation="past")
    so.say("/lifecycle/dots-so/mso/past/DeployModels", retain=True)  # takes it back


async def process(so: Simulator, model: str) -> int:
    """A handle of the process that a model says it is."""
    return os.pidfd_open(int((await so.hear(f"/log/model/dots-so/sim/{model}")).split()[1]))


async def ended(process: int) -> None:
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(process, gone.set)
    async with asyncio.timeout(30):
        await gone.wait()
    loop.remove_reader(process)
    os.close(process)
