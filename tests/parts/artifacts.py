"""Objects of an artifact store, whole."""

from __future__ import annotations

from podium.stores.artifacts import Artifacts


async def content(store: Artifacts, path: str) -> bytes:
    return b"".join([piece async for piece in store.read(path)])
