"""Podium is killed at every failpoint, and again while it recovers; nobody can tell it from what comes out.

A run of version 1 and one of version 2 are under way together, on the embedded broker, which remembers: so nothing may
be repeated, and results are those of a run that nothing befell.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.e2e.harness import Ended, Server, document, linked, models_of, serving, steps_seen, traces

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

STEPS = 8  # the broker remembers the last four
DOCUMENTS = {
    "version 1": document(models=2, steps=STEPS),
    "version 2": linked(("panels", "PVInstallation", 1), ("meter", "EnergySystem", 1), objects=1, steps=STEPS),
}
MODELS = {"version 1": {"plain-1", "plain-2"}, "version 2": {"panels-1", "meter-1"}}
QUICK = {"PODIUM_DOTS_QUIET_SECONDS": "0.5"}


@dataclass
class Outcome:
    """What came of one document."""

    state: str
    events: list[dict[str, Any]]
    seen: dict[str, list[int]]
    noted: dict[str, list[str]]
    results: list[tuple[str, str, str, str, float]]


async def submitted(podium: Server, key: str) -> str:
    """The run of a document, which may have been submitted before."""
    answer = await podium.http.post("/api/v1/runs", json=DOCUMENTS[key], headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def conducted(podium: Server) -> None:
    """Have both documents run to their end."""
    for run in [await submitted(podium, key) for key in DOCUMENTS]:
        await podium.ended(run)


async def outcome(podium: Server, key: str) -> Outcome:
    run = await submitted(podium, key)
    answer = await podium.http.get(f"/api/v1/runs/{run}/results")
    rows = [
        (row["time"], row["measurement"], row["object"], row["field"], row["value"]) for row in answer.json()["rows"]
    ]
    return Outcome(
        (await podium.run(run))["state"],
        [event async for event in podium.events(run)],
        steps_seen(podium.directory, run),
        traces(podium.directory, run),
        sorted(rows),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Outcome]]:
    directory = tmp_path_factory.mktemp("undisturbed")
    async with serving(directory, models(directory), **QUICK) as podium:
        await conducted(podium)
        yield {key: await outcome(podium, key) for key in DOCUMENTS}


def models(directory: Path) -> Path:
    return models_of(directory, {"plain": {}}, {"panels": {}, "meter": {}})


# Both start up to the 4th time that events are written; the first has its steps up to the 14th, the second up to the
# 24th; then they end. Later hits than these may not come: what happens at once is written at once.
HITS = {
    "journal.before_submit": [2],
    "journal.after_submit": [1],
    "journal.before_append": [2, 12],
    "journal.after_append": [13, 21],
    "conductor.after_append": [5, 22],
    "conductor.before_confirm": [9],
}


@pytest.mark.parametrize(
    ("failpoint", "hit"), [(failpoint, hit) for failpoint, hits in HITS.items() for hit in hits], ids=str
)
async def test_killed_at_a_failpoint_and_again_while_it_recovers(
    undisturbed: dict[str, Outcome], tmp_path: Path, failpoint: str, hit: int
) -> None:
    async with serving(tmp_path, models(tmp_path), PODIUM_FAILPOINTS=f"{failpoint}=kill@{hit}", **QUICK) as podium:
        await dies(podium)
        podium.env["PODIUM_FAILPOINTS"] = f"{failpoint}=kill@{1 + hit % 2}"
        await dies(podium)
        podium.env["PODIUM_FAILPOINTS"] = ""
        await podium.start()
        await conducted(podium)
        for key, expected in undisturbed.items():
            assert_the_same(await outcome(podium, key), expected, MODELS[key])
        assert len((await podium.http.get("/api/v1/runs")).json()["runs"]) == len(DOCUMENTS)


async def dies(podium: Server) -> None:
    """Whatever the client is at, the server is killed meanwhile."""
    try:
        if podium.process is None or podium.process.returncode is not None:
            await podium.start()
        await conducted(podium)
    except (httpx.TransportError, Ended):
        assert await podium.ending() == -signal.SIGKILL
    else:
        pytest.fail("nothing has come by this failpoint so often")


def assert_the_same(found: Outcome, expected: Outcome, of: set[str]) -> None:
    assert found.state == "succeeded"
    types = Counter(event["type"] for event in found.events)
    assert types["step.repeated"] == 0
    assert types["run.succeeded"] == 1
    steps = [event["data"]["step"] for event in found.events if event["type"] == "step.finished"]
    assert steps == list(range(1, STEPS + 1))
    assert found.seen == {model: list(range(1, STEPS + 1)) for model in of}
    assert found.noted == expected.noted
    assert found.results == expected.results
