"""The model services orchestrator opposite foreign simulators and models, on real brokers with real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from podium.backplane.models_file import ModelEntry, ModelsFile
from podium.backplane.port import ModelState
from podium.backplane.process import ProcessBackplane
from podium.bus.embedded import EmbeddedBroker
from podium.bus.memory import RememberingNatsBus
from podium.bus.mqtt import MqttBus
from podium.dialects.dots.mso import ModelServicesOrchestrator
from podium.dialects.dots.mso_memory import Conversation
from podium.sdk import lifecycle_pb2 as pb
from tests.e2e.simulator import IMAGE, Simulator
from tests.parts.mosquitto import PASSWORD, USER
from tests.parts.nats import held
from tests.parts.proxy import Proxy

MODELS = ModelsFile(
    models=(ModelEntry(image=IMAGE, command=("python", str(Path(__file__).with_name("mso_model.py")))),)
)


@dataclass
class Broker:
    """Where and as whom everybody meets."""

    host: str
    port: int
    user: str
    password: str
    nats: tuple[str, tuple[str, ...]] | None = None
    away: Callable[[], contextlib.AbstractAsyncContextManager] | None = None

    def bus(self):
        if self.nats:
            url, remember = self.nats
            return RememberingNatsBus(url, remember=remember, user=self.user, password=self.password)
        return MqttBus(self.host, self.port, user=self.user, password=self.password)


@pytest.fixture
async def remembering(tmp_path):
    embedded = EmbeddedBroker(tmp_path / "broker")
    await embedded.start()
    user = embedded.credentials
    nats = (embedded.nats_url, tuple(embedded.remembered))

    @contextlib.asynccontextmanager
    async def away():
        await embedded.stop()
        with held(embedded.directory):
            yield
            await embedded.start()

    yield Broker(embedded.host, embedded.mqtt_port, user.user, user.password, nats, away)
    await embedded.stop()


@pytest.fixture
async def forgetting(mosquitto):
    await mosquitto.start()

    @contextlib.asynccontextmanager
    async def away():
        mosquitto.stop()
        yield
        await mosquitto.start()

    return Broker(mosquitto.host, mosquitto.port, USER, PASSWORD, away=away)


@pytest.fixture(params=["remembering", "forgetting"])
def broker(request):
    return request.getfixturevalue(request.param)


class House:
    """Orchestrators, one after another, over one directory of models."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        self.broker = broker
        self.directory = directory
        self._open = contextlib.AsyncExitStack()

    async def open(self, **settings) -> ModelServicesOrchestrator:
        bus = self.broker.bus()
        await bus.connect()
        self._open.push_async_callback(bus.close)
        self.backplane = ProcessBackplane(self.directory, MODELS)
        await self.backplane.start()
        self._open.push_async_callback(self.backplane.close)
        mso = ModelServicesOrchestrator(bus, self.backplane, **{"ping_seconds": 0, "quiet_seconds": 0.3} | settings)
        await mso.start()
        self._open.push_async_callback(mso.close)
        return mso

    async def close(self) -> None:
        await self._open.aclose()


@pytest.fixture
async def house(broker, tmp_path):
    house = House(broker, tmp_path / "models")
    yield house
    await house.close()
    backplane = ProcessBackplane(tmp_path / "models", MODELS)
    await backplane.start()
    await asyncio.gather(*(backplane.remove(model.name, grace_seconds=0) for model in await backplane.list()))
    await backplane.close()


@pytest.fixture
async def so(broker):
    async with Simulator(pb, broker.host, broker.port, broker.user, broker.password) as simulator:
        yield simulator


@pytest.fixture
async def mso(house, so):
    return await house.open()


remembers = pytest.mark.parametrize("broker", ["remembering"], indirect=True)
forgets = pytest.mark.parametrize("broker", ["forgetting"], indirect=True)


async def test_runs_models_from_deploy_to_the_end(mso, so, house):
    so.deploy("sim", "pv-1", "pv-2", hours=2)
    await so.ready("sim")
    assert {model.state for model in mso.simulations["sim"].models.values()} == {ModelState.RUNNING}
    models = {model.name: model for model in await house.backplane.list()}
    assert set(models) == {"dots-so-sim-pv-1", "dots-so-sim-pv-2"}
    assert models["dots-so-sim-pv-1"].keep_logs_seconds == 7200
    assert models["dots-so-sim-pv-1"].labels == {
        "simulator_id": "dots-so",
        "simulation_id": "sim",
        "model_id": "pv-1",
        "keep_logs_hours": "2",
    }
    so.order("sim", "pv-1", "end", b"0")
    assert await so.end("sim", "pv-1") == pb.ModelHasTerminated(status=pb.SUCCESSFULL)
    assert so.count("AllModelsHaveTerminated") == 0
    so.order("sim", "pv-2", "end", b"0")
    await so.end("sim", "pv-2")
    await so.over("sim")
    assert mso.simulations == {}
    assert mso.dropped == {}


async def test_golden_bytes(mso, so):
    so.deploy("sim", a="die:3")
    expected = b"\x08\x01\x10\x03\x1a\x0bexit code 3" + b"\x22\x0emodel a begins" + b"\x22\x0fsome last words"
    assert await so.hear("/lifecycle/mso/dots-so/sim/a/ModelHasTerminated") == expected
    assert await so.hear("/lifecycle/mso/dots-so/sim/AllModelsHaveTerminated") == b""
    so.deploy("good", "b")
    assert await so.hear("/lifecycle/mso/dots-so/good/ModelsReady") == b""
    so.order("good", "b", "end", b"0")
    assert await so.hear("/lifecycle/mso/dots-so/good/b/ModelHasTerminated") == b""
    so.say("/health/dots-so/mso/Ping", b"")
    assert await so.hear("/health/mso/dots-so/Pong") == b""
    so.say("/health/dots-so/mso/Ping", b"\x1a\x01x")
    assert await so.hear("/health/mso/dots-so/Pong", 2) == b"\x08\x01\x12\x19x: no model of it is here"


async def test_a_failing_model_is_reported_at_once_with_its_last_lines(mso, so):
    so.deploy("sim", "good", bad="die:3")
    end = await so.end("sim", "bad")
    assert (end.status, end.exitCode, end.reason) == (pb.FAILED, 3, "exit code 3")
    assert list(end.last_lines) == ["model bad begins", "some last words"]
    topics = [topic for topic, payload in so.heard if topic.endswith("/bad") and b"last words" in payload]
    assert topics == ["/log/model/dots-so/sim/bad"]
    await so.ready("sim")  # of those that live
    so.remove("sim")
    await so.over("sim")


async def test_a_signal_is_an_exit_code_above_128(mso, so):
    so.deploy("sim", "a")
    up = await so.hear("/log/model/dots-so/sim/a")
    await so.ready("sim")
    os.kill(int(up.split()[1]), signal.SIGKILL)
    end = await so.end("sim", "a")
    assert (end.status, end.exitCode) == (pb.FAILED, 137)
    assert "SIGKILL" in end.reason or "memory" in end.reason


async def test_not_ready_before_all_are(mso, so):
    so.deploy("sim", "a", b="late")
    await so.hear("/sim/a/ReadyForProcessing")
    await so.hear("/log/model/dots-so/sim/b")
    await so.sync()
    assert so.count("ModelsReady") == 0
    so.order("sim", "b", "go")
    await so.ready("sim")


async def test_remove_ends_what_lives(mso, so, house):
    so.deploy("sim", "a", "b")
    so.deploy("other", "a")
    await so.ready("sim")
    await so.ready("other")
    so.remove("sim")
    await so.over("sim")
    end = await so.end("sim", "a")
    assert (end.status, end.exitCode) == (pb.FAILED, 143)
    assert end.reason == "removed at the simulator's request: killed by SIGTERM"
    assert list(mso.simulations) == ["other"]
    so.remove("sim")
    await so.over("sim", 2)


async def test_remove_while_models_are_being_deployed(house, so):
    mso = await house.open(deploys=1)
    so.deploy("sim", *(f"m{i}" for i in range(20)))
    so.remove("sim")
    await so.over("sim")
    assert so.count("ModelHasTerminated") == 20
    assert mso.simulations == {}
    assert [model for model in await house.backplane.list() if not model.state.ended] == []


@pytest.mark.parametrize(
    ("simulation", "bad", "image", "reason"),
    [
        ("sim", "a", "nothing:1", "nothing stands for the image 'nothing:1'"),
        ("s" * 50, "model-11", IMAGE, "at most 63 lower case letters"),
        ("sim", "under_score", IMAGE, "at most 63 lower case letters"),
    ],
)
async def test_a_model_that_cannot_be_deployed_ends_its_simulation(mso, so, simulation, bad, image, reason):
    request = pb.DeployModels(keepLogsHours=1)
    request.modelConfigurations.add(modelID="ok", imageUrl=IMAGE)
    request.modelConfigurations.add(modelID=bad, imageUrl=image)
    so.say(f"/lifecycle/dots-so/mso/{simulation}/DeployModels", request.SerializeToString())
    await so.over(simulation)
    end = await so.end(simulation, bad)
    assert (end.status, end.exitCode) == (pb.FAILED, 0)
    assert reason in end.reason
    assert f"the model {bad} could not be deployed" in (await so.end(simulation, "ok")).reason or end.exitCode == 0
    assert mso.simulations == {}


async def test_two_models_of_one_name(mso, so):
    so.deploy("a-b", "c")
    await so.ready("a-b")
    so.deploy("a", **{"b-c": ""})
    assert (await so.end("a", "b-c")).reason == "another model is called dots-so-a-b-c already"
    await so.over("a")
    assert list(mso.simulations) == ["a-b"]


async def test_asked_again_it_says_again_that_all_are_ready(mso, so, house):
    so.deploy("sim", "a", "b")
    await so.ready("sim")
    so.deploy("sim", "a", "b")
    await so.ready("sim", 2)
    so.deploy("sim", "a", "b", "c")
    await so.ready("sim", 3)
    assert len(await house.backplane.list()) == 3
    await so.said_ready("a", "b", "c")


async def test_asked_again_it_says_again_how_models_ended(mso, so):
    so.deploy("sim", "b", a="die:4")
    await so.end("sim", "a")
    so.deploy("sim", "b", a="die:4")
    assert (await so.end("sim", "a", 2)).exitCode == 4
    so.remove("sim")
    await so.over("sim")
    so.deploy("sim", "b", a="die:4")
    await so.over("sim", 2)
    assert (await so.end("sim", "a", 3)).exitCode == 4
    assert so.count("/sim/b/ReadyForProcessing") <= 1


async def test_many_simulations_at_once(mso, so):
    names = [f"sim-{i}" for i in range(8)]
    for name in names:
        so.deploy(name, a="die:0", b="die:0")
    await asyncio.gather(*(so.over(name) for name in names))
    assert so.count("ModelHasTerminated") == 16
    assert mso.simulations == {}


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("/lifecycle/dots-so/mso/sim/DeployModels", b"\xff", "malformed body"),
        ("/lifecycle/dots-so/mso/sim/MakeTea", b"", "unknown message"),
        ("/lifecycle/dots-so/mso/DeployModels", b"", "topic of the wrong length"),
        ("/lifecycle/dots-so/mso/a/b/c/d/DeployModels", b"", "topic of the wrong length"),
        ("/lifecycle/dots-so/mso/sim/RemoveModels", b"", "unknown simulation"),
        ("/lifecycle/model/mso/sim/a/ReadyForProcessing", b"", "unknown simulation"),
        ("/lifecycle/model/mso/sim/ReadyForProcessing", b"", "topic of the wrong length"),
        ("/lifecycle/model/mso/sim/a/MakeTea", b"", "unknown message"),
        ("/health/model/mso/sim/a/Pong", b"", "unknown simulation"),
        ("/health/model/mso/Pong", b"", "topic of the wrong length"),
        ("/health/dots-so/mso/Ping", b"\xff", "malformed body"),
    ],
)
@forgets
async def test_what_makes_no_sense_is_counted(mso, so, topic, payload, reason):
    so.say(topic, payload)
    await so.sync()
    assert mso.dropped == {reason: 1}
    assert mso.simulations == {}


@pytest.mark.parametrize(
    ("ids", "answered", "reason"),
    [
        (["a", "b", "a"], ["a", "b"], "more than one model has the id 'a'"),
        (["a/+", "b"], ["a__", "b"], "no topic can carry / + in the model id 'a/+'"),
        (["", "b"], ["_", "b"], "a model has no id"),
        ([], [], ""),
    ],
)
async def test_models_that_cannot_be_called_so_are_refused_in_words(mso, so, ids, answered, reason):
    request = pb.DeployModels(modelConfigurations=[pb.ModelConfiguration(modelID=id_, imageUrl=IMAGE) for id_ in ids])
    for times in (1, 2):  # the second time it says the same again
        so.say("/lifecycle/dots-so/mso/sim/DeployModels", request.SerializeToString())
        await so.over("sim", times)
    for model in answered:
        end = await so.end("sim", model)
        assert (end.status, end.reason) == (pb.FAILED, f"the request was refused: {reason}")
    assert so.count("ModelHasTerminated") == 2 * len(answered)
    assert mso.dropped == {"no models, or ids that cannot be": 1}
    assert mso.simulations == {}


async def test_what_cannot_be_asked_of_models_that_live_leaves_them_alone(mso, so):
    so.deploy("sim", "a", "b")
    await so.ready("sim")
    request = pb.DeployModels(modelConfigurations=[pb.ModelConfiguration(modelID="c")] * 2)
    so.say("/lifecycle/dots-so/mso/sim/DeployModels", request.SerializeToString())
    await so.sync()
    assert mso.dropped == {"no models, or ids that cannot be": 1}
    assert {model.state for model in mso.simulations["sim"].models.values()} == {ModelState.RUNNING}


async def test_unknown_and_late_models(mso, so):
    so.deploy("sim", "a")
    await so.ready("sim")
    so.say("/lifecycle/model/mso/sim/nobody/ReadyForProcessing")
    await so.sync()
    assert mso.dropped == {"unknown model": 1}
    so.remove("sim")
    await so.over("sim")
    so.say("/lifecycle/model/mso/sim/a/ReadyForProcessing")
    await so.sync(2)
    assert mso.dropped == {"unknown model": 1}


async def test_keep_logs_hours_without_sense(mso, so, house):
    so.deploy("sim", "a", hours=float("nan"))
    await so.ready("sim")
    (model,) = await house.backplane.list()
    assert model.keep_logs_seconds == 24 * 3600


async def test_models_are_pinged_again_and_again(house, so):
    await house.open(ping_seconds=0.1)
    so.deploy("sim", "a")
    await so.hear("/health/mso/model/sim/a/Ping", 3)


async def test_a_model_that_stops_answering_pings_makes_no_progress(house, so):
    mso = await house.open(pings_missed=2)
    so.deploy("sim", "version-1", b="pong")
    await so.ready("sim")
    await mso._ping_each()
    await so.hear("/health/model/mso/sim/b/Pong")
    so.order("sim", "b", "mute")
    await so.hear("/log/model/dots-so/sim/b/mute")
    await so.sync()
    for _ in range(5):
        await mso._ping_each()
    unhealthy = pb.UnhealthyModel.FromString(await so.hear("/lifecycle/mso/dots-so/sim/b/UnhealthyModel"))
    assert unhealthy.status == pb.NOPROGRESS
    await so.sync(2)
    pong = pb.PongHealthMSOToSO.FromString(await so.hear("/health/mso/dots-so/Pong", 2))
    assert (pong.healthy, list(pong.reasons)) == (pb.UNHEALTHY, ["sim/b: makes no progress"])
    assert so.count("UnhealthyModel") == 1
    await so.hear("/health/mso/model/sim/version-1/Ping", 6)
    so.say("/health/model/mso/sim/b/Pong", pb.PongHealthModelToMSO(healthy=1, reasons=["hot"]).SerializeToString())
    await so.sync(3)
    pong = pb.PongHealthMSOToSO.FromString(await so.hear("/health/mso/dots-so/Pong", 3))
    assert list(pong.reasons) == ["sim/b: hot"]


# After a restart


async def test_a_restart_finds_models_and_goes_on(house, so):
    await house.open()
    so.deploy("sim", "a", "b")
    await so.ready("sim")
    await house.close()
    mso = await house.open()
    assert list(mso.simulations) == ["sim"]
    so.order("sim", "a", "end", b"5")
    so.order("sim", "b", "end", b"0")
    assert (await so.end("sim", "a")).exitCode == 5
    await so.over("sim")
    assert so.count("ModelsReady") == 1  # some simulators would begin anew


async def test_an_end_while_nobody_watched_is_reported(house, so):
    await house.open()
    so.deploy("sim", "a", "b")
    await so.ready("sim")
    await house.close()
    so.order("sim", "a", "end", b"5")
    so.order("sim", "b", "end", b"0")
    watcher = ProcessBackplane(house.directory, MODELS)
    await watcher.start()
    ended = 0
    async for model in watcher.watch():
        ended += model.state.ended
        if ended == 2:
            break
    await watcher.close()
    mso = await house.open()
    assert (await so.end("sim", "a")).exitCode == 5
    await so.over("sim")
    assert mso.simulations == {}


@remembers
async def test_what_was_reported_is_not_reported_after_a_restart(house, so):
    await house.open()
    so.deploy("sim", a="die:3")
    so.deploy("lives", "b", c="die:4")
    await so.over("sim")
    await so.end("lives", "c")
    await so.ready("lives")
    await house.close()
    mso = await house.open()
    await so.sync()
    assert so.count("/sim/a/ModelHasTerminated") == so.count("/lives/c/ModelHasTerminated") == 1
    assert so.count("AllModelsHaveTerminated") == 1
    assert list(mso.simulations) == ["lives"]
    so.deploy("sim", a="die:3")
    await so.over("sim", 2)
    assert (await so.end("sim", "a", 2)).exitCode == 3


@remembers
async def test_a_request_made_while_nobody_listened_is_carried_out(house, so):
    so.deploy("sim", "a")
    so.deploy("removed", "a")
    so.remove("removed")
    await so.sync_broker()
    await house.open()
    await so.ready("sim")
    await so.over("removed")
    assert so.count("/removed/a/ReadyForProcessing") <= 1


@remembers
async def test_ready_while_nobody_listened(house, so):
    await house.open()
    so.deploy("sim", "a", b="late")
    await so.hear("/sim/a/ReadyForProcessing")
    await so.hear("/log/model/dots-so/sim/b")
    await house.close()
    so.order("sim", "b", "go")
    await so.hear("/sim/b/ReadyForProcessing")
    assert so.count("ModelsReady") == 0
    await house.open(quiet_seconds=600)
    await so.ready("sim")


@remembers
async def test_a_model_that_ran_and_of_which_nothing_is_left_is_not_run_again(house, so):
    await house.open()
    so.deploy("sim", "a", "b")
    await so.ready("sim")
    await house.close()
    other = ProcessBackplane(house.directory, MODELS)
    await other.start()
    await other.remove("dots-so-sim-a")
    await other.close()
    await house.open()
    assert "nothing is left of it" in (await so.end("sim", "a")).reason
    await so.said_ready("a", "b")


@remembers
async def test_the_rest_of_a_request_is_deployed_after_a_restart(house, so):
    await house.open()
    so.deploy("sim", "a")
    await so.ready("sim")
    await house.close()
    so.deploy("sim", "a", "b")
    await so.sync_broker()
    await house.open()
    await so.ready("sim", 2)
    await so.said_ready("a", "b")


@forgets
async def test_without_a_memory_models_that_live_are_taken_as_ready(house, so):
    await house.open()
    so.deploy("sim", "a", b="late")
    await so.hear("/sim/a/ReadyForProcessing")
    await so.hear("/log/model/dots-so/sim/b")
    await house.close()
    mso = await house.open()
    so.deploy("sim", "a", "b")
    await so.ready("sim")
    assert {model.state for model in mso.simulations["sim"].models.values()} == {ModelState.RUNNING}


@forgets
async def test_without_a_memory_models_that_go_on_to_report_ready_are_waited_for(house, so):
    await house.open()
    so.deploy("sim", "a", b="late", c="late")
    await so.hear("/sim/a/ReadyForProcessing")
    await so.hear("/log/model/dots-so/sim/b")
    await so.hear("/log/model/dots-so/sim/c")
    await house.close()
    await house.open(quiet_seconds=600)
    so.order("sim", "b", "go")
    await so.hear("/sim/b/ReadyForProcessing")
    await so.sync()
    assert so.count("ModelsReady") == 0


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.dialects.dots.test_mso import Broker, House

async def main():
    host, port, user, directory, url, *remember = sys.argv[1:]
    nats = (url, tuple(remember)) if url else None
    house = House(Broker(host, int(port), user, sys.stdin.readline().strip(), nats), Path(directory))
    await house.open()
    print("listens", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Killable:
    """An orchestrator in a process of its own."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        url, remember = broker.nats or ("", ())
        self._process = subprocess.Popen(
            [sys.executable, "-c", KILLED, broker.host, str(broker.port), broker.user, str(directory), url, *remember],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process.stdin.write(broker.password + "\n")
        self._process.stdin.flush()

    async def listens(self) -> None:
        while "listens" not in (line := await asyncio.to_thread(self._process.stdout.readline)):
            assert line, "it ended"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


async def test_killed_in_the_middle_and_started_again(house, so, broker):
    killable = Killable(broker, house.directory)
    await killable.listens()
    so.deploy("sim", "a", "b", c="late")
    await so.hear("/sim/a/ReadyForProcessing")
    await so.hear("/sim/b/ReadyForProcessing")
    await so.hear("/log/model/dots-so/sim/c")
    killable.kill()
    mso = await house.open(quiet_seconds=600 if broker.nats else 0.3)
    assert set(mso.simulations["sim"].models) == {"a", "b", "c"}
    so.order("sim", "c", "go")
    await so.ready("sim")
    for model in "abc":
        so.order("sim", model, "end", b"0")
    await so.over("sim")
    assert [(await so.end("sim", model)).status for model in "abc"] == [pb.SUCCESSFULL] * 3


@remembers
async def test_killed_while_deploying(house, so, broker):
    killable = Killable(broker, house.directory)
    await killable.listens()
    names = [f"m{i}" for i in range(30)]
    so.deploy("sim", *names)
    await so.hear("ReadyForProcessing", 3)
    killable.kill()
    await house.open()
    await so.ready("sim")
    await so.said_ready(*names)


# A lost link


async def test_an_end_while_the_broker_is_away_is_told_when_it_is_back(house, so, broker):
    mso = await house.open()
    so.deploy("sim", "a")
    up = await so.hear("/log/model/dots-so/sim/a")
    await so.ready("sim")
    async with broker.away():
        os.kill(int(up.split()[1]), signal.SIGUSR1)
        async for model in house.backplane.watch():
            if model.state.ended:
                break
    if broker.nats:  # nats-server keeps nothing for MQTT sessions of what a NATS client says; its memory has it
        await mso._outbox._waiting.join()
        bus = broker.bus()
        await bus.connect()
        said = await Conversation.recall(bus, "dots-so")
        await bus.close()
        assert said.ends["sim", "a"].exit_code == 128 + signal.SIGUSR1
        assert said.over == {"sim"}
    else:
        assert (await so.end("sim", "a")).exitCode == 128 + signal.SIGUSR1
        await so.over("sim")


@remembers
async def test_what_is_asked_while_the_link_is_lost_is_done_when_it_is_back(house, so, broker):
    """Our own link alone is cut: the simulator's request and the model's report pass us by."""
    proxy = await Proxy(broker.nats[0]).start()
    house.broker = replace(broker, nats=(proxy.url, broker.nats[1]))
    await house.open()
    so.deploy("sim", "a", b="late")
    await so.hear("/sim/a/ReadyForProcessing")
    await so.hear("/log/model/dots-so/sim/b")
    await proxy.cut()
    so.order("sim", "b", "go")
    await so.hear("/sim/b/ReadyForProcessing")
    so.deploy("late", "c")
    await so.sync_broker()
    assert so.count("ModelsReady") == 0
    await proxy.mend()
    await so.ready("sim")
    await so.ready("late")
    await house.close()
    await proxy.cut()
