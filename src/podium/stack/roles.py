"""The roles that a cluster runs apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from podium.dialects.dots.mso import ModelServicesOrchestrator
from podium.errors import SettingsError
from podium.settings import Settings
from podium.stack import models
from podium.stack.exchange import Exchange
from podium.stack.home import Home


@asynccontextmanager
async def model_services_orchestrator(settings: Settings) -> AsyncIterator[ModelServicesOrchestrator]:
    """The one that runs models, alone on somebody's broker. Raises: SettingsError, Unavailable, Conflict."""
    if settings.broker is None:
        raise SettingsError("it needs the broker where simulations are conducted", where="broker", hint="Give --broker")
    home = Home(settings.data)
    home.create()
    with home.claim():
        here = models.backplane(settings, home)
        await here.start()
        try:
            exchange = Exchange(settings, home.path / "broker")
            await exchange.open()
            try:
                orchestrator = ModelServicesOrchestrator(exchange.bus, here, simulator=settings.dots.simulator)
                await orchestrator.start()
                try:
                    yield orchestrator
                finally:
                    await orchestrator.close()
            finally:
                await exchange.close(models_live=True)
        finally:
            await here.close()
