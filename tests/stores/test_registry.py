"""The registry of model configurations: append-only, in SQLite and in PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from podium.errors import Conflict, DocumentRefused, NotFound
from podium.runs.journal import Journal
from podium.stores.registry import ModelConfiguration, Registry, split

PV = ModelConfiguration("pv", "1.0", "host:5000/pv:1", "pull", {"efficiency": 0.2, "list": [1, None]}, "Photovoltaics")


@pytest.fixture
async def registry(database_url: str) -> AsyncIterator[Registry]:
    registry = Registry(database_url, clock=itertools.count(100).__next__)
    await registry.open()
    yield registry
    await registry.close()


async def test_what_is_added_is_found(registry: Registry) -> None:
    added = await registry.add(PV)
    assert added == replace(PV, added=100.0)
    assert await registry.lookup("pv:1.0") == await registry.lookup("pv") == added
    assert await registry.list() == [added]


async def test_an_entry_never_changes(registry: Registry) -> None:
    added = await registry.add(PV)
    assert await registry.add(PV) == added
    for other in (replace(PV, image="pv:2"), replace(PV, parameters={}), replace(PV, description="", pull_secret=None)):
        with pytest.raises(Conflict, match=r"pv:1\.0 is registered already"):
            await registry.add(other)
    assert await registry.list() == [added]


async def test_the_newest_version_that_is_not_deprecated_is_taken(registry: Registry) -> None:
    for version in ("1.0", "0.9", "2.0"):
        await registry.add(replace(PV, version=version))
    assert (await registry.lookup("pv")).version == "2.0"
    assert (await registry.deprecate("pv:2.0")).deprecated
    assert (await registry.lookup("pv")).version == "0.9"
    assert (await registry.lookup("pv:2.0")).deprecated
    await registry.add(replace(PV, version="2.0"))
    assert [(entry.version, entry.deprecated) for entry in await registry.list()] == [
        ("1.0", False),
        ("0.9", False),
        ("2.0", True),
    ]
    for _ in range(2):
        await registry.deprecate("pv")
    with pytest.raises(NotFound, match=r"1\.0 \(deprecated\), 0\.9 \(deprecated\)"):
        await registry.lookup("pv")


async def test_what_is_not_registered_is_named(registry: Registry) -> None:
    await registry.add(PV)
    with pytest.raises(NotFound, match=r"Registered versions of pv: 1\.0"):
        await registry.lookup("pv:3")
    with pytest.raises(NotFound, match="Registered versions of wind: none"):
        await registry.deprecate("wind")


@pytest.mark.parametrize("faulty", [{"name": ""}, {"version": "a b"}, {"image": "x\0"}])
async def test_a_faulty_name_is_refused(registry: Registry, faulty: dict[str, str]) -> None:
    with pytest.raises(DocumentRefused, match=next(iter(faulty))):
        await registry.add(replace(PV, **faulty))


async def test_images_of_a_models_file_are_seeded_once(registry: Registry) -> None:
    own = await registry.add(ModelConfiguration("pv", "1", "pv:1", description="as it should be"))
    for _ in range(2):
        await registry.seed(["pv:1", "wind", "host:5000/sun:2"])
    assert [entry.identifier for entry in await registry.list()] == ["pv:1", "wind:latest", "host:5000/sun:2"]
    assert await registry.lookup("pv") == own


async def test_of_two_that_add_the_same_version_one_wins(registry: Registry, database_url: str) -> None:
    others = [Registry(database_url) for _ in range(4)]
    await asyncio.gather(*(other.open() for other in others))
    same = await asyncio.gather(*(other.add(PV) for other in others))
    assert len(set(map(repr, same))) == 1
    rivals = [replace(PV, version="2", image=f"pv:{number}") for number in range(4)]
    outcomes = await asyncio.gather(
        *(other.add(rival) for other, rival in zip(others, rivals, strict=True)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 3 + ["ModelConfiguration"]
    assert await registry.lookup("pv:2") in outcomes
    await asyncio.gather(*(other.close() for other in others))


async def test_it_shares_a_database_with_the_journal(registry: Registry, database_url: str) -> None:
    journal = Journal(database_url, owner="test")
    await journal.open()
    await journal.acquire()
    await registry.add(PV)
    assert await journal.runs() == []
    await journal.close()


@pytest.mark.parametrize(
    ("identifier", "name", "version"),
    [
        ("pv:1.0", "pv", "1.0"),
        ("pv", "pv", None),
        ("host:5000/group/pv", "host:5000/group/pv", None),
        ("host:5000/pv:1", "host:5000/pv", "1"),
        ("host/pv@sha256:0a", "host/pv", "sha256:0a"),
    ],
)
def test_identifiers_are_those_of_images(identifier: str, name: str, version: str | None) -> None:
    assert split(identifier) == (name, version)
    if version:
        assert ModelConfiguration(name, version, identifier).identifier == identifier
