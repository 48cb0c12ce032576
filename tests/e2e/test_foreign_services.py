"""Our simulation orchestrator opposite services and an MSO that are not ours, on the brokers of the field."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from podium.bus import open_bus
from podium.dialects.dots.desk import Desk
from podium.dialects.dots.dialect import DotsDialect
from podium.dialects.dots.performer import ModelAccess
from podium.runs.conductor import Conductor
from podium.runs.events import Run, RunState
from podium.runs.journal import Journal
from tests.dialects.dots.bodies import content, esdl, packed, service
from tests.e2e.brokers import Broker
from tests.e2e.foreign import Services
from tests.parts.nats import kill
from tests.parts.proxy import Proxy

STEPS = 24
HOMES = 3
SERVICES = [
    service("EnergySystem", "sun_service"),
    service("PVInstallation", "pv_service", 2),
    service("EConnection", "connection_service", 1),
]
MODELS = {"sun-service-1", "pv-service-1", "pv-service-2", "connection-service-1"}
START, STEP_SECONDS = 1674604800, 3600


async def no_desk(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("no route is asked for here")


DESK = Desk(no_desk, no_desk, no_desk, no_desk, no_desk, no_desk, no_desk, no_desk, no_desk)


class Podium:
    """The orchestrator without its server."""

    def __init__(self, journal: Journal, dialect: DotsDialect) -> None:
        self.journal = journal
        self.dialect = dialect
        self.conductor = Conductor(journal, dialect.kinds)


@asynccontextmanager
async def podium(
    broker: Broker, directory: Path, down: float = 0.0, quiet: float = 5.0, **limits: float
) -> AsyncIterator[Podium]:
    """One life of it; what was under way in the one before goes on."""
    async with AsyncExitStack() as stack:
        clock = lambda: time.time()  # noqa: E731, PLW0108  # looked up each time: tests set it
        journal = Journal(f"sqlite:///{directory / 'journal.db'}", owner="test", clock=clock)
        await journal.open()
        stack.push_async_callback(journal.close)
        await journal.acquire()
        bus = await open_bus(broker.url, user=broker.user, password=broker.password, remember=broker.remember)
        stack.push_async_callback(bus.close)
        access = ModelAccess(
            broker.host,
            broker.mqtt_port,
            mqtt_username=broker.models_user,
            mqtt_password=broker.models_password,
        )
        found: list[Podium] = []
        dialect = DotsDialect(
            bus,
            lambda run, what: found[0].conductor.tell(run, what),  # noqa: PLW0108  # made below
            access=access,
            desk=DESK,
            log_sink=lambda *_line: None,
            quiet=quiet,
            **limits,
        )
        found.append(Podium(journal, dialect))
        await dialect.start()
        stack.push_async_callback(dialect.close)
        bus.on_lost(found[0].conductor.link_down)
        bus.on_restored(found[0].conductor.link_lost)
        await found[0].conductor.start(down)
        stack.push_async_callback(found[0].conductor.close)
        yield found[0]


@pytest.fixture
async def services(broker: Broker, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Services]]]:
    """Makes the foreign side."""
    made: list[Services] = []

    async def make(**how: Any) -> Services:
        made.append(
            await asyncio.to_thread(
                Services, tmp_path, broker.host, broker.mqtt_port, broker.user, broker.password, **how
            )
        )
        return made[-1]

    yield make
    for one in made:
        await asyncio.to_thread(one.close)


async def submitted(one: Podium, *, minutes: float = 0.5) -> str:
    submission = await one.dialect.read(
        content(
            nr_of_time_steps=STEPS,
            calculation_services=SERVICES,
            esdl_base64string=packed(esdl(HOMES)).rstrip("="),
            max_step_calc_time_minutes=minutes,
        )
    )
    return (await one.conductor.submit(submission)).id


async def ended(one: Podium, run: str) -> Run:
    async with asyncio.timeout(90):
        return await one.conductor.wait(run)


def assert_undisturbed(foreign: Services) -> None:
    """Every model has seen every step once and in order, at the right time, and what they computed is right."""
    assert set(foreign.models) == MODELS
    expected = [(n, START + (n - 1) * STEP_SECONDS) for n in range(1, STEPS + 1)]
    sun = sum(range(1, STEPS + 1))
    for name, model in foreign.models.items():
        assert model.steps == expected, name
        assert model.parameters_given == 1
    assert foreign.models["sun-service-1"].total == sun
    assert foreign.models["pv-service-1"].total == 2 * sun  # two of the three homes
    assert foreign.models["pv-service-2"].total == sun
    assert foreign.models["connection-service-1"].total == HOMES * HOMES * sun


def assert_none_skipped(foreign: Services, repeated: set[tuple[int, str]]) -> None:
    """Every model has seen every step in order, and none twice without the run saying so."""
    assert set(foreign.models) == MODELS
    for name, model in foreign.models.items():
        numbers = [number for number, _ in model.steps]
        assert numbers == sorted(numbers), name
        assert set(numbers) == set(range(1, STEPS + 1)), name
        assert {(number, name) for number in numbers if numbers.count(number) > 1} <= repeated


async def repeated(one: Podium, run: str) -> set[tuple[int, str]]:
    """The steps that a run says it repeated, each with the model it was repeated to."""
    events = [each.event for each in await one.journal.events(run)]
    return {
        (event.data["step"], model)
        for event in events
        if event.type == "step.repeated"
        for model in event.data["models"]
    }


async def finished_steps(one: Podium, run: str) -> list[int]:
    return [
        recorded.event.data["step"]
        for recorded in await one.journal.events(run)
        if recorded.event.type == "step.finished"
    ]


async def test_three_services_run_a_day(broker: Broker, services: Any, tmp_path: Path) -> None:
    foreign = await services()
    async with podium(broker, tmp_path) as one:
        run = await submitted(one)
        assert (await ended(one, run)).state is RunState.SUCCEEDED
        assert_undisturbed(foreign)
        assert await finished_steps(one, run) == list(range(1, STEPS + 1))
        assert not one.dialect.dropped
    first = foreign.models["pv-service-1"]
    assert first.parameters["esdl_ids"] == ["pv-0", "pv-1"]
    assert first.parameters["calculation_services"] == SERVICES
    assert first.parameters["protocol_versions"] == [1, 2]


async def test_an_error_of_a_service_ends_the_run_with_its_words(broker: Broker, services: Any, tmp_path: Path) -> None:
    foreign = await services(fails_at=5)
    async with podium(broker, tmp_path) as one:
        run = await ended(one, await submitted(one))
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert run.error.reason.startswith("model pv-service-")
    assert "no sun" in run.error.reason
    assert "step 5" in run.error.reason
    assert max(number for model in foreign.models.values() for number, _ in model.steps) == 5


async def test_a_cancelled_run_tells_the_services_to_end(broker: Broker, services: Any, tmp_path: Path) -> None:
    foreign = await services()
    in_mid_run = foreign.pauses("CalculationsDone", 20)
    async with podium(broker, tmp_path) as one:
        run = await submitted(one)
        await in_mid_run.reached()
        await one.conductor.cancel(run)
        in_mid_run.end()
        assert (await ended(one, run)).state is RunState.CANCELLED
    assert foreign.alive == set()


@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    ("message", "count"), [("Parameterized", 2), ("CalculationsDone", 21), ("CalculationsDone", STEPS * len(MODELS))]
)
async def test_what_podium_misses_while_it_is_away_is_recalled(
    broker: Broker, services: Any, tmp_path: Path, message: str, count: int
) -> None:
    foreign, run = await gone_in_mid_run(broker, services, tmp_path, message, count)
    async with podium(broker, tmp_path, down=1.0) as one:
        assert (await ended(one, run)).state is RunState.SUCCEEDED
        assert await finished_steps(one, run) == list(range(1, STEPS + 1))
        assert "step.repeated" not in await types(one, run)
    if message == "CalculationsDone":
        assert_undisturbed(foreign)


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_without_a_memory_a_step_is_repeated_and_recorded(broker: Broker, services: Any, tmp_path: Path) -> None:
    # The services stay connected: what they say needs no time to find its way.
    foreign, run = await gone_in_mid_run(broker, services, tmp_path, "CalculationsDone", 21, quiet=1.0)
    async with podium(broker, tmp_path, down=1.0) as one:
        assert (await ended(one, run)).state is RunState.SUCCEEDED
        assert await finished_steps(one, run) == list(range(1, STEPS + 1))
        repeats = await repeated(one, run)
        assert repeats
        assert_none_skipped(foreign, repeats)


async def test_the_broker_may_die_in_mid_run(broker: Broker, services: Any, tmp_path: Path) -> None:
    foreign = await services()
    in_mid_run = foreign.pauses("CalculationsDone", 30)
    async with podium(broker, tmp_path) as one:
        run = await submitted(one)
        await in_mid_run.reached()
        if broker.name == "mosquitto":
            broker.part.kill()
            await broker.part.start()
        else:
            kill(broker.part)  # which starts it again
        in_mid_run.end()
        assert (await ended(one, run)).state is RunState.SUCCEEDED
        assert await finished_steps(one, run) == list(range(1, STEPS + 1))
        assert_none_skipped(foreign, await repeated(one, run))


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_a_broker_that_stays_away_ends_the_run(broker: Broker, services: Any, tmp_path: Path) -> None:
    foreign = await services()
    in_mid_run = foreign.pauses("CalculationsDone", 30)
    async with podium(broker, tmp_path, away_timeout=1.0, end_timeout=0.5) as one:
        run = await submitted(one)
        await in_mid_run.reached()
        broker.part.kill()
        in_mid_run.end()
        over = await ended(one, run)
        seen = [each.event.type for each in await one.journal.events(run) if each.event.type[:4] in ("link", "run.")]
    assert over.state is RunState.FAILED
    assert over.error is not None
    assert over.error.reason.startswith("the broker was away for 1 s, in step ")
    assert seen[-4:] == ["link.down", "run.ending", "run.removing", "run.failed"]


async def test_a_link_that_is_dead_and_does_not_say_so_is_made_anew(
    broker: Broker, services: Any, tmp_path: Path
) -> None:
    foreign = await services()
    in_mid_run = foreign.pauses("CalculationsDone", 30)
    proxy = await Proxy(broker.url).start()
    async with podium(replace(broker, url=proxy.url), tmp_path) as one:
        run = await submitted(one, minutes=5)
        await in_mid_run.reached()
        proxy.go_dead()
        in_mid_run.end()
        assert (await ended(one, run)).state is RunState.SUCCEEDED
        assert await finished_steps(one, run) == list(range(1, STEPS + 1))
        assert_none_skipped(foreign, await repeated(one, run))
        assert "link.lost" in await types(one, run)
    await proxy.cut()


async def test_what_strays_in_is_counted_and_changes_nothing(broker: Broker, services: Any, tmp_path: Path) -> None:
    foreign = await services()
    strays = {
        "model/dots-so/an-old-run/pv-service-1/CalculationsDone": b"",
        "mso/dots-so/an-old-run/pv-service-1/ModelHasTerminated": b"\x08\x01\x10\x03",
        "mso/dots-so/an-old-run/AllModelsHaveTerminated": b"",
        "model/dots-so/{run}/somebody/CalculationsDone": b"",
        "model/dots-so/{run}/somebody/ErrorOccurred": b"\x0a\x05wrong",
        "model/dots-so/{run}/pv-service-1/CalculationsDone": b"\x0a\x05torn",
        "model/dots-so/{run}/pv-service-1/Nonsense": b"",
        "model/dots-so/{run}": b"",
    }
    in_mid_run = foreign.pauses("CalculationsDone", 1)
    retained = "/lifecycle/mso/dots-so/a-long-past-run/pv-service-1/ModelHasTerminated"
    await asyncio.to_thread(foreign.client.publish(retained, b"\x08\x01", 1, retain=True).wait_for_publish, 30)
    async with podium(broker, tmp_path) as one:
        run = await submitted(one)
        await in_mid_run.reached()
        for topic, payload in strays.items():
            foreign.client.publish(f"/lifecycle/{topic.format(run=run)}", payload)
        # nats-server brings no retained messages to clients of NATS, and remembers what else there may be to know
        unknown = {"no such simulation under way": 2, "simulation not known yet": 1}
        if broker.name == "mosquitto":
            unknown = {"no such simulation under way": 4}
        malformed = {"malformed body": 1, "unknown message": 1, "topic of the wrong length": 1}
        unwanted = {"Answered": 1, "ModelFailed": 1}

        def counted() -> bool:
            return one.dialect.dropped == unknown | malformed and unwanted.items() <= one.conductor.unwanted.items()

        async with asyncio.timeout(60):
            while not counted():  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(0.01)
        in_mid_run.end()
        assert (await ended(one, run)).state is RunState.SUCCEEDED
        assert_undisturbed(foreign)
        assert counted()


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_what_is_too_large_for_the_broker_ends_the_run_with_that_reason(
    broker: Broker, services: Any, tmp_path: Path
) -> None:
    with (broker.part.directory / "mosquitto.conf").open("a") as config:
        config.write("max_packet_size 2000\n")
    broker.part.kill()
    await broker.part.start()
    await services()
    async with podium(broker, tmp_path) as one:
        run = await ended(one, await submitted(one))
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert "the broker takes" in run.error.reason


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_jumps_by_an_hour_moves_nothing(
    broker: Broker, services: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    foreign = await services()
    in_mid_run = foreign.pauses("CalculationsDone", 20)
    async with podium(broker, tmp_path) as one:
        run = await submitted(one)
        await in_mid_run.reached()
        right = time.time
        monkeypatch.setattr(time, "time", lambda: right() + hours * 3600)
        in_mid_run.end()
        assert (await ended(one, run)).state is RunState.SUCCEEDED
        assert_undisturbed(foreign)
        at = [each.event.data["at"] for each in await one.journal.events(run) if "at" in each.event.data]
        assert at == sorted(at)
        assert at[-1] - at[0] < 1800


async def gone_in_mid_run(
    broker: Broker, services: Any, directory: Path, message: str, count: int, quiet: float = 5.0
) -> tuple[Services, str]:
    """A run that Podium left before some model said `message` for the `count`-th time."""
    foreign = await services()
    there = foreign.pauses(message, count)
    async with podium(broker, directory, quiet=quiet) as one:
        run = await submitted(one)
        await there.reached()
    there.end()
    return foreign, run


async def types(one: Podium, run: str) -> set[str]:
    return {recorded.event.type for recorded in await one.journal.events(run)}
