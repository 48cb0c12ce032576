"""Jobs as a performer hands them to their kinds, and services that behave as a test wants, or misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs

from podium.jobs.port import Job


def job(call: dict, **details) -> Job:
    given = {
        "run": "r",
        "node": "n",
        "attempt": 1,
        "inputs": {},
        "item": None,
        "outcome": None,
        "again": False,
        "document": {},
        "note": lambda line: None,
    }
    return Job(**{**given, "call": call, **details})


@dataclass(frozen=True)
class Seen:
    """A request as a service saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode())


Reply = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def says(content: bytes | dict | list | str, status: int = 200, **headers: str) -> Reply:
    """A service that answers well."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def reply(seen: Seen, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return reply


class Service:
    """A server on a free port that does with a connection exactly what its replies say.

    Args:
        replies: by path; a list is gone through, request by request, and its last one stays.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.replies: dict[str, list[Reply]] = {}
        self.broken_off = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        self._came = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, *replies: Reply) -> str:
        self.replies[path] = list(replies)
        return self.url + path

    def paths(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    async def asked(self, count: int) -> None:
        """Until so many requests have come."""
        async with asyncio.timeout(30):
            while len(self.seen) < count:
                self._came.clear()
                await self._came.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (seen := await _read(reader)) is not None:
                self.seen.append(seen)
                self._came.set()
                replies = self.replies[seen.path.partition("?")[0]]
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                doing = asyncio.ensure_future(reply(seen, writer))
                gone = asyncio.ensure_future(reader.read(1) if doing else None)
                await asyncio.wait([doing, gone], return_when=asyncio.FIRST_COMPLETED)
                if gone.done() and not doing.done():
                    doing.cancel()
                    self.broken_off.set()
                    return
                gone.cancel()
                await asyncio.wait([gone])
                doing.result()
                if writer.is_closing():
                    return
        except ConnectionError:
            self.broken_off.set()
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Seen(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
