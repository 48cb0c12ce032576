"""Models that jobs have on the backplane: what they are called, and word of their end."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from podium.backplane.port import Backplane, Model
from podium.errors import Unavailable

_SHOWN, _HASHED = 40, 16  # characters


def model_name(*parts: str) -> str:
    """A name that every backplane takes, always the same for the same parts, and no other's."""
    shown = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower())[:_SHOWN].strip("-")
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASHED]
    return f"{shown}-{digest}" if shown else digest


class Endings:
    """Tells whoever waits that a model has ended; one watch of the backplane for all of them."""

    def __init__(self, backplane: Backplane) -> None:
        self._backplane = backplane
        self._awaited: dict[str, set[asyncio.Future[Model]]] = {}
        self._watching: asyncio.Task[None] | None = None

    @contextmanager
    def of(self, name: str) -> Iterator[asyncio.Future[Model]]:
        """The model of that name once it has ended: for ends from now on, so ask before it is deployed.

        The future fails with Unavailable when the backplane is closed.
        """
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="endings")
        future: asyncio.Future[Model] = asyncio.get_running_loop().create_future()
        self._awaited.setdefault(name, set()).add(future)
        try:
            yield future
        finally:
            future.cancel()
            self._awaited[name].discard(future)
            if not self._awaited[name]:
                del self._awaited[name]

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        try:
            async with aclosing(self._backplane.watch()) as changes:  # type: ignore[type-var]
                async for model in changes:
                    if model.state.ended:
                        self._tell(model)
        finally:
            for futures in self._awaited.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(Unavailable("models are watched no longer"))

    def _tell(self, model: Model) -> None:
        for future in self._awaited.get(model.name, ()):
            if not future.done():
                future.set_result(model)
