"""What a run needs around it goes away and comes back: its Podium, its database, the database of its results."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.parse import quote

import pytest

from podium.bus.embedded import EmbeddedBroker
from tests.e2e.harness import Command, Ended, Gate, Server, document, end_models, linked, models_of, serving, steps_seen
from tests.parts import influx
from tests.parts.postgres import PostgreSQL

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

STEPS = 8
EACH_ONCE = list(range(1, STEPS + 1))


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path, "step:5")


async def test_of_two_podiums_the_one_that_was_stopped_writes_no_more(
    postgres: PostgreSQL, embedded: EmbeddedBroker, tmp_path: Path, gate: Gate
) -> None:
    account = {
        "PODIUM_BROKER_USERNAME": embedded.credentials.user,
        "PODIUM_BROKER_PASSWORD": embedded.credentials.password,
    }
    broker = ["--broker", embedded.nats_url]
    models = models_of(tmp_path, {"plain": {**gate.env, "ONLY": "plain-2"}})
    words = ["mso", *broker, "--models", str(models), "--data", str(tmp_path / "mso")]
    mso = Command(tmp_path, words, "ready", account)
    options = ["--no-mso", *broker, "--database", postgres.create()]
    advertised = f"{embedded.host}:{embedded.mqtt_port}"
    first, second = (
        Server(directory(tmp_path, name), None, *options, "--broker-advertise", advertised, **account)
        for name in ("first", "second")
    )
    try:
        await mso.start()
        await first.start()
        run = await first.submit(document(steps=STEPS))
        await gate.reached()
        first.signal(signal.SIGSTOP)
        await once_the_lease_is_over(second)
        gate.release()
        ended = await second.ended(run)
        first.signal(signal.SIGCONT)  # what the models said since waits for it
        assert await first.ending() == 1
        assert await second.run(run) == ended
        assert ended["state"] == "succeeded"
        finished = [event["data"] async for event in second.events(run) if event["type"] == "step.finished"]
        assert [data["step"] for data in finished] == EACH_ONCE
        assert steps_seen(tmp_path, run) == {"plain-1": EACH_ONCE, "plain-2": EACH_ONCE}
    finally:
        await second.close()
        await first.leave()
        await mso.leave()
        await end_models(tmp_path / "mso")


async def once_the_lease_is_over(podium: Server) -> None:
    """Start it again and again, as whatever looks after it would: an owner that lives is believed for so long."""
    while True:
        try:
            await podium.start()
        except Ended:
            continue
        return


def directory(within: Path, name: str) -> Path:
    made = within / name
    made.mkdir()
    return made


async def test_a_run_waits_for_its_database(postgres: PostgreSQL, tmp_path: Path, gate: Gate) -> None:
    models = models_of(tmp_path, {"plain": {**gate.env, "ONLY": "plain-2"}})
    async with serving(tmp_path, models, "--database", postgres.create()) as podium:
        run = await podium.submit(document(steps=STEPS))
        await gate.reached()
        postgres.kill()
        try:
            gate.release()
            await podium.logged("journal.database_away")
        finally:
            postgres.start()
        assert (await podium.ended(run))["state"] == "succeeded"
        assert steps_seen(tmp_path, run) == {"plain-1": EACH_ONCE, "plain-2": EACH_ONCE}


async def test_results_are_filled_in_when_their_database_is_back(tmp_path: Path) -> None:
    gate = Gate(tmp_path, "step:3")
    models = models_of(tmp_path, {}, {"panels": gate.env, "meter": {}})
    with influx.running(tmp_path) as database:
        url = f"http://{database.user}:{quote(database.password)}@{database.host}:{database.port}/results"
        async with serving(tmp_path, models, PODIUM_SERIES=url) as podium:
            services = ("panels", "PVInstallation", 1), ("meter", "EnergySystem", 1)
            run = await podium.submit(linked(*services, objects=1, steps=STEPS))
            await gate.reached()
            database.stop()
            gate.release()
            await podium.seen(run, lambda event: event["type"] == "run.ending")
            database.start(auth=False)
            assert (await podium.ended(run))["state"] == "succeeded"
            rows = (await podium.http.get(f"/api/v1/runs/{run}/results")).json()["rows"]
            assert len({(row["object"], row["time"]) for row in rows}) == 2 * STEPS
