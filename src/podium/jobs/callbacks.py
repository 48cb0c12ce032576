"""Outcomes that services push: each attempt has an address of its own that nobody can guess.

It is made of a secret and the job's key, so it is the same after a restart, when the service still has the old one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from podium.engines.flow import nodes
from podium.jobs.port import Job
from podium.runs.events import Json

log = structlog.get_logger()

Settled: TypeAlias = Callable[[str, str], "asyncio.Future[None]"]


@dataclass(frozen=True, slots=True)
class _Expected:
    run: str
    command: str
    told: asyncio.Future[Json]


class Callbacks:
    """The attempts that wait to be told.

    Args:
        secret: the same after a restart.
        address: what a token is put behind, such as `http://127.0.0.1:8001/api/v1/callbacks/`.
    """

    def __init__(self, secret: str, address: str) -> None:
        self._secret = secret.encode()
        self._address = address
        self._expected: dict[str, _Expected] = {}
        self.unexpected = 0

    def expect(self, job: Job) -> tuple[str, asyncio.Future[Json]]:
        """The address for that job, and what will be posted there; to be cancelled by who waits no more."""
        token = self._token(job.key)
        told: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        expected = self._expected[token] = _Expected(job.run, nodes.key(job.node, job.attempt), told)
        told.add_done_callback(lambda _: self._forget(token, expected) if told.cancelled() else None)
        return self._address + token, told

    def awaits(self, token: str) -> bool:
        return token in self._expected

    def deliver(self, token: str, body: Json, settled: Settled) -> asyncio.Future[None] | None:
        """Hand over what was posted; the first word counts. None: nobody waits for it (any longer, or yet).

        What is given back is of `settled`, asked with run and command: done once what came of it is written, cancelled
        if that will not be known. Before, whoever posted must not forget what it has to tell.
        """
        expected = self._expected.get(token)
        if expected is None or expected.told.done():
            self.unexpected += 1
            log.info("callback.unexpected", count=self.unexpected)
        if expected is None or expected.told.cancelled():
            return None
        if not expected.told.done():
            expected.told.set_result(body)
        written = settled(expected.run, expected.command)
        written.add_done_callback(lambda _: self._forget(token, expected))
        return written

    def _token(self, key: str) -> str:
        digest = hmac.digest(self._secret, key.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _forget(self, token: str, expected: _Expected) -> None:
        if self._expected.get(token) is expected:
            del self._expected[token]
