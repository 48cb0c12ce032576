"""The roles that a cluster runs apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from podium.dialects.dots.mso import ModelServicesOrchestrator
from podium.errors import SettingsError
from podium.server.app import role
from podium.server.listen import Listener
from podium.settings import Settings
from podium.stack import models
from podium.stack.exchange import BROKER, Exchange
from podium.stack.home import Home


@asynccontextmanager
async def model_services_orchestrator(
    settings: Settings, home: Home, stop: Callable[[], None]
) -> AsyncIterator[ModelServicesOrchestrator]:
    """The one that runs models, alone on somebody's broker. Raises: SettingsError, Unavailable, Conflict.

    `stop` is called when somebody asks for its end.
    """
    if settings.broker is None:
        raise SettingsError("it needs the broker where simulations are conducted", where="broker", hint="Give --broker")
    ending_all = False

    def told(everything: bool) -> None:
        nonlocal ending_all
        ending_all = everything
        stop()

    async with AsyncExitStack() as opened:
        door = opened.enter_context(home.claim())
        here = models.backplane(settings, home)
        await here.start()
        opened.push_async_callback(here.close)
        exchange = Exchange(settings, home.path / BROKER)
        await exchange.open()
        opened.push_async_callback(exchange.close, models_live=True)
        orchestrator = ModelServicesOrchestrator(exchange.bus, here, simulator=settings.dots.simulator)
        await orchestrator.start()
        opened.push_async_callback(orchestrator.close)
        listener = Listener(role("a model services orchestrator", told), [door.dup()], trusted=True)
        listener.start()
        opened.push_async_callback(listener.close)
        yield orchestrator
        if ending_all:
            await models.end_all(here)  # while the orchestrator still tells of it
