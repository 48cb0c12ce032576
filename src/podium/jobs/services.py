"""Services that jobs call, started when the first one does.

    url = await services.url("cleaning:1")      http://127.0.0.1:40123

A service is a model that listens on HOST and PORT. There is one of an image, for all runs; it outlives Podium and is
taken over by the next.
"""

from __future__ import annotations

import asyncio
import socket
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import structlog

from podium.backplane.port import Backplane, Model, ModelSpec
from podium.backplane.supervisor import with_last_lines
from podium.errors import Unavailable
from podium.jobs.models import Endings, model_name
from podium.jobs.polling import poll

log = structlog.get_logger()

HOST = "127.0.0.1"
OURS, PORT = "podium.service", "podium.port"


class Services:
    """
    Args:
        environment: what services are told beside HOST and PORT, such as where artifacts are.
        ready_seconds: within which a service must accept connections.
    """

    def __init__(
        self, backplane: Backplane, *, environment: Mapping[str, str] | None = None, ready_seconds: float = 60.0
    ) -> None:
        self._backplane = backplane
        self._environment = environment or {}
        self._ready_seconds = ready_seconds
        self._endings = Endings(backplane)
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def url(self, image: str, *, scheme: str = "http") -> str:
        """Where the service of that image listens, once it does.

        Raises: DocumentRefused (unknown image), Unavailable (it ended, or does not listen).
        """
        async with self._starting[image]:
            model = await self._running(image) or await self._start(image)
        return f"{scheme}://{HOST}:{model.labels[PORT]}"

    async def close(self, *, keep: bool = False) -> None:
        """End all services, unless somebody needs them still."""
        await self._endings.close()
        if not keep:
            names = [model.name for model in await self._backplane.list() if OURS in model.labels]
            await asyncio.gather(*map(self._backplane.remove, names))

    async def _running(self, image: str) -> Model | None:
        """The one there is and that listens; one that ended makes room for the next."""
        for model in await self._backplane.list({OURS: image}):
            if not model.state.ended:
                await self._listening(model)
                return model
            log.warning("service.ended", image=image, reason=model.reason)
            await self._backplane.remove(model.name)
        return None

    async def _start(self, image: str) -> Model:
        port = _free_port()
        spec = ModelSpec(
            name=model_name("service", image),
            image=image,
            env={**self._environment, "HOST": HOST, "PORT": str(port)},
            labels={OURS: image, PORT: str(port)},
        )
        model = await self._backplane.deploy(spec)
        await self._listening(model)
        log.info("service.started", image=image, port=port)
        return model

    async def _listening(self, model: Model) -> None:
        """Raises: Unavailable."""
        with self._endings.of(model.name) as end:
            waiting = asyncio.create_task(poll(lambda: _accepts(int(model.labels[PORT]))))
            try:
                both: list[asyncio.Future[Any]] = [waiting, end]
                await asyncio.wait(both, timeout=self._ready_seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if end.done():
                ended = end.result()
                reason = with_last_lines(ended.reason or "it ended by itself", ended.last_lines)
                raise Unavailable(f"the service {model.image} does not run: {reason}")
            if not waiting.done():
                await self._backplane.remove(model.name)
                raise Unavailable(f"the service {model.image} does not listen on PORT within {self._ready_seconds:g} s")


async def _accepts(port: int) -> bool | None:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return None
    writer.close()
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
