"""Outcomes that services push: each attempt has an address of its own that nobody can guess.

It is made of a secret and the job's key, so it is the same after a restart, when the service still has the old one.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac

import structlog

from podium.runs.events import Json

log = structlog.get_logger()


class Callbacks:
    """The attempts that wait to be told.

    Args:
        secret: the same after a restart.
        address: what a token is put behind, such as `http://127.0.0.1:8001/api/v1/callbacks/`.
    """

    def __init__(self, secret: str, address: str) -> None:
        self._secret = secret.encode()
        self._address = address
        self._expected: dict[str, asyncio.Future[Json]] = {}
        self.unexpected = 0

    def expect(self, key: str) -> tuple[str, asyncio.Future[Json]]:
        """The address for the job of that key, and what will be posted there; to be cancelled by who waits no more."""
        token = self._token(key)
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._expected[token] = future
        future.add_done_callback(lambda done: self._forget(token, done))
        return self._address + token, future

    def awaits(self, token: str) -> bool:
        return token in self._expected

    def deliver(self, token: str, body: Json) -> bool:
        """Hand over what was posted. False: nobody waits for it (any longer, or yet)."""
        future = self._expected.get(token)
        if future is None or future.done():
            self.unexpected += 1
            log.info("callback.unexpected", count=self.unexpected)
            return False
        future.set_result(body)
        return True

    def _token(self, key: str) -> str:
        digest = hmac.digest(self._secret, key.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _forget(self, token: str, future: asyncio.Future[Json]) -> None:
        if self._expected.get(token) is future:
            del self._expected[token]
