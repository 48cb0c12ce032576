"""Guesses at what is secret, counted by who makes them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from podium.errors import TooManyAttempts

log = structlog.get_logger()


class Attempts:
    """At most `limit` wrong guesses per caller in `seconds`; whoever has used them up waits, right or wrong."""

    def __init__(self, limit: int = 10, seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, who: str) -> None:
        """Raises: TooManyAttempts."""
        if self.used_up(who):
            log.warning("auth.too_many_attempts", caller=who)
            raise TooManyAttempts("too many wrong attempts", hint=f"Wait {self._seconds:.0f} seconds and try again")

    def used_up(self, who: str) -> bool:
        return len(self._recent(who)) >= self._limit

    def wrong(self, who: str) -> None:
        recent = self._recent(who)
        self._wrong.pop(who, None)
        self._wrong[who] = [*recent, self._clock()][-self._limit :]
        if len(self._wrong) > 1024:
            self._wrong.popitem(last=False)

    def _recent(self, who: str) -> list[float]:
        since = self._clock() - self._seconds
        return [at for at in self._wrong.get(who, ()) if at > since]
