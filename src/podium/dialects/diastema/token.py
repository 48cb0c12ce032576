"""The token that documents of the field carry in themselves."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import SecretStr

from podium.attempts import Attempts
from podium.dialects.diastema.reading import TOKEN
from podium.errors import NotAllowed, TooManyAttempts

log = structlog.get_logger()

PAUSE = 1.0
MOST_WAITING = 10


class Token:
    """The tokens of callers who guessed wrong too often are looked at one by one, after a pause.

    They are not turned away at once, as one who signs in is: a front end has nobody who waits and tries again, and may
    share its address with whoever guesses.

    Args:
        key: what it must be; None lets nobody in.
        pause: in seconds.
    """

    def __init__(self, key: SecretStr | None, *, pause: float | None = None) -> None:
        self._key = key.get_secret_value().encode() if key else b""
        self._pause = PAUSE if pause is None else pause
        self._attempts = Attempts()
        self._line = asyncio.Lock()
        self._waiting = 0

    async def check(self, given: Mapping[str, Any], who: str) -> None:
        """Raises: NotAllowed, TooManyAttempts."""
        if not self._key:
            hint = "Set PODIUM_DIASTEMA_KEY (or DIASTEMA_KEY) where Podium runs"
            raise NotAllowed("nobody is let in, because no key is set", where=TOKEN, hint=hint)
        token = given.get(TOKEN)
        if token is None:
            raise NotAllowed("the token is missing", where=TOKEN)
        guesser = self._attempts.used_up(who)
        if guesser:
            await self._in_line()
        if not isinstance(token, str) or not hmac.compare_digest(token.encode(), self._key):
            self._attempts.wrong(who)
            log.warning("diastema.wrong_token", caller=who)
            raise _too_many() if guesser else NotAllowed("the token is wrong", where=TOKEN)

    async def _in_line(self) -> None:
        if self._waiting == MOST_WAITING:
            raise _too_many()
        self._waiting += 1
        try:
            async with self._line:
                await asyncio.sleep(self._pause)
        finally:
            self._waiting -= 1


def _too_many() -> TooManyAttempts:
    return TooManyAttempts("too many wrong tokens", where=TOKEN, hint="Wait 60 seconds and try again")
