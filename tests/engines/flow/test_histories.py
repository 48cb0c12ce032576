"""Thousands of generated histories: whatever goes wrong, a run ends, once, and its jobs are performed in order."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engines.flow.world import Luck, World

HISTORIES = int(os.environ.get("PODIUM_TEST_HISTORIES", "4000"))
lucky = st.binary(min_size=200, max_size=200)


def driven(histories):
    return settings(
        max_examples=histories,
        deadline=None,
        derandomize="PODIUM_TEST_HISTORIES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(600)
def test_every_history_ends_as_it_should(record_property):
    histories = 0

    @driven(HISTORIES)
    @given(lucky)
    def explore(content):
        nonlocal histories
        histories += 1
        World(Luck(content)).live()

    explore()
    record_property("histories", histories)
    assert histories >= HISTORIES


@pytest.mark.timeout(600)
@driven(max(HISTORIES // 20, 20))
@given(lucky)
def test_handle_never_changes_the_state(content):
    World(Luck(content), paranoid=True).live()
