"""Kind `analytics`: a component that is told its job over a TCP connection, and answers there when it has ended.

    {"address": "tcp://host:6006", "message": {...}}

The message goes behind a header of 64 bytes, its length in decimal padded with spaces. It may be hours until the short
text comes that is the answer; a component whose machine is gone is noticed by the probes of the connection.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from podium.jobs.calls import Call, check, read
from podium.jobs.port import Job, JobFailed
from podium.runs.events import Json

HEADER_BYTES = 64
LARGEST_ANSWER = 1 << 16
CONNECT_SECONDS = 10.0
MORE_SECONDS = 0.5  # for the rest of an answer, where the component leaves the connection open
_PROBES = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}


def _is_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme == "tcp" and bool(parts.hostname) and parts.port is not None and parts.path in ("", "/")
    except ValueError:
        good = False
    if not good:
        raise ValueError("must be tcp://host:port")
    return text


class AnalyticsCall(Call):
    address: Annotated[str, AfterValidator(_is_address)]
    message: dict[str, Any]
    within: float | None = Field(default=None, gt=0)


class Analytics:
    def check(self, call: Mapping[str, Any]) -> None:
        check(AnalyticsCall, call)

    async def perform(self, job: Job) -> Json:
        call = read(AnalyticsCall, job.call)
        return await submit(call.address, call.message, within=call.within)


async def submit(address: str, message: Mapping[str, Json], *, within: float | None = None) -> str:
    """Give the component at `tcp://host:port` a job; its answer, which it must give `within` seconds.

    Raises: JobFailed.
    """
    parts = urlsplit(address)
    place = f"the component at {parts.hostname}:{parts.port}"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except TimeoutError:
        raise JobFailed(f"{place} cannot be reached within {CONNECT_SECONDS:g} s") from None
    except OSError as error:
        raise JobFailed(f"{place} cannot be reached: {error.strerror or error}") from None
    try:
        _probe(writer.get_extra_info("socket"))
        async with asyncio.timeout(within):
            content = json.dumps(message).encode()
            writer.write(str(len(content)).encode().ljust(HEADER_BYTES) + content)
            await writer.drain()
            answer = await _answer(reader)
    except TimeoutError:
        raise JobFailed(f"{place} said nothing within {within:g} s") from None
    except OSError as error:
        raise JobFailed(f"{place} broke off: {error.strerror or error}") from None
    finally:
        writer.transport.abort()  # what is still to be sent, nobody reads
    if not answer.strip():
        raise JobFailed(f"{place} ended the connection without an answer")
    return answer.decode(errors="replace").strip()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends or nothing more does."""
    answer = await reader.read(LARGEST_ANSWER)
    while answer and len(answer) < LARGEST_ANSWER:
        reading = asyncio.ensure_future(reader.read(LARGEST_ANSWER - len(answer)))
        try:
            # Not a time-out, which would win over what came in the same moment, after a time without a processor.
            await asyncio.wait([reading], timeout=MORE_SECONDS)
            more = await reading if reading.done() else b""
        except OSError:  # it has said what it had to say
            break
        finally:
            reading.cancel()
        if not more:
            break
        answer += more
    return answer


def _probe(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _PROBES.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
