"""A way to a part that can be cut, or go dead without a word."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

from tests.parts import free_port


class Proxy:
    """Carries connections to the address `SCHEME://HOST:PORT`; its own `url` stays."""

    def __init__(self, behind: str) -> None:
        scheme, _, place = behind.partition("://")
        host, _, port = place.partition(":")
        self._behind = (host, int(port))
        self._port = free_port()
        self._writers: set[asyncio.StreamWriter] = set()
        self._dead: set[asyncio.StreamWriter] = set()
        self.url = f"{scheme}://127.0.0.1:{self._port}"

    async def start(self) -> Self:
        await self.mend()
        return self

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._port)

    async def cut(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        self._writers.clear()

    def go_dead(self) -> None:
        """Nothing passes any more, either way, and nobody is told; who connects anew is carried."""
        self._dead |= self._writers

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(*self._behind)
        self._writers |= {writer, behind_writer}
        await asyncio.gather(self._carry(reader, behind_writer), self._carry(behind_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                if writer not in self._dead:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()
