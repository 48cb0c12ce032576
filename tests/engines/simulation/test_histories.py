"""Thousands of generated histories: whatever goes wrong, a run ends, once, and its models see what they should."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engines.simulation.world import Luck, World

HISTORIES = int(os.environ.get("PODIUM_TEST_HISTORIES", "10800"))
WORLDS = {
    "version 1": {"versions": (1,)},
    "version 2": {"versions": (2,)},
    "both versions": {"versions": (1, 2)},
    "periods": {"versions": (1, 2), "with_periods": True},
}
lucky = st.binary(min_size=150, max_size=150)


def driven(histories):
    return settings(
        max_examples=histories,
        deadline=None,
        derandomize="PODIUM_TEST_HISTORIES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_every_history_ends_as_it_should(world, record_property):
    histories = 0

    @driven(HISTORIES // len(WORLDS))
    @given(lucky)
    def explore(content):
        nonlocal histories
        histories += 1
        World(Luck(content), **world).live()

    explore()
    record_property("histories", histories)
    assert histories >= HISTORIES // len(WORLDS)


@pytest.mark.timeout(600)
@driven(max(HISTORIES // 50, 20))
@given(lucky)
def test_handle_never_changes_the_state(content):
    World(Luck(content), with_periods=True, paranoid=True).live()
