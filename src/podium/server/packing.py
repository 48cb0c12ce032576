"""Objects of the artifact store as they are sent: piece by piece, so that it does not matter how large they are."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import structlog

from podium.errors import NotFound
from podium.stores.artifacts import Artifacts

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

log = structlog.get_logger()


async def begun(store: Artifacts, path: str) -> AsyncIterator[bytes]:
    """An object whose first piece was read: what is wrong is told before anything is sent. Raises: NotFound."""
    pieces = store.read(path)
    return _all(await anext(pieces, b""), pieces)


async def zipped(store: Artifacts, paths: Iterable[str]) -> AsyncIterator[bytes]:
    """Objects as one zip file, without those that are gone by then."""
    outbox = _Outbox()
    with ZipFile(outbox, "w") as archive:
        for path in paths:
            try:
                pieces = await begun(store, path)
            except NotFound:
                log.info("artifacts.gone", path=path)
                continue
            entry = ZipInfo(path, time.localtime()[:6])
            entry.compress_type = ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                async for piece in pieces:
                    file.write(piece)
                    yield outbox.taken()
    yield outbox.taken()


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


class _Outbox(io.RawIOBase):
    """Where a zip file is written to and taken from, which never goes back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        before = len(self._written)
        self._written += data
        return len(self._written) - before

    def taken(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
