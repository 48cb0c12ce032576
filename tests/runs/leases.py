"""Leases of owners that live, renewed when a test wants it and not by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from podium.runs.journal import Journal

T = TypeVar("T")


def renew_soon(journal: Journal) -> None:
    """Behind what it writes next, if it is the owner."""
    assert journal._writer is not None
    journal._writer._next_renewal = 0.0


async def renewing(owners: Sequence[Journal], meanwhile: asyncio.Future[T]) -> T:
    """What comes of it while whoever of these is the owner shows again and again that it lives."""
    while not meanwhile.done():
        for one in owners:
            renew_soon(one)
            await one._call(lambda _: None)
    return await meanwhile


def look_often(journal: Journal) -> None:
    """At the lease of another, as one whose own leases are short."""
    journal._lease_seconds = 0.3
