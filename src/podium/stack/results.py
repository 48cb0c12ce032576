"""Where results are kept, and where models send them."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter

from podium.errors import SettingsError
from podium.runs.secrets import Secrets
from podium.server.listen import bind
from podium.settings import Settings
from podium.stack.dialects import ResultsForModels
from podium.stack.exchange import split
from podium.stack.home import Home
from podium.stores.series import SeriesStore, series_store

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
NAME = "podium"  # of the user and of the database, where we are the InfluxDB


def store(settings: Settings, home: Home) -> SeriesStore:
    """Not opened yet."""
    return series_store(settings.series.full if settings.series else "", home.path / "series.duckdb")


def door(settings: Settings, home: Home) -> socket.socket | None:
    """A listening socket for models, always the same: those that live found it in an earlier Podium's words.

    None where models write to an InfluxDB, or were told an address of their own.
    """
    if settings.series or settings.influx_advertise:
        return None
    try:
        opened = bind(LOOPBACK, home.models_port)
    except SettingsError:
        log.warning("results.port_taken", port=home.models_port)
        opened = bind(LOOPBACK, 0)
    home.models_port = opened.getsockname()[1]
    return opened


def for_models(settings: Settings, secrets: Secrets, port: int) -> ResultsForModels:
    """What models are told; `port` is our own."""
    if settings.series is None:
        host, port = split(settings.influx_advertise, LOOPBACK, port)
        return ResultsForModels(host, port, NAME, secrets.generate("influx"), NAME)
    parts = urlsplit(settings.series.url)
    host, port = split(settings.influx_advertise, parts.hostname or "", parts.port or 8086)
    password = settings.series.password.get_secret_value() if settings.series.password else ""
    return ResultsForModels(host, port, settings.series.username or "", password, parts.path.strip("/"))


def routers(series: SeriesStore, told: ResultsForModels) -> list[APIRouter]:
    """The doors of an InfluxDB, where there is no other."""
    from podium.server.influx import influx_router
    from podium.stores.series_duckdb import DuckDbSeries

    if not isinstance(series, DuckDbSeries):
        return []
    return [influx_router(series, _check(told.username, told.password))]


def _check(username: str, password: str) -> Callable[[str, str], bool]:
    def check(given_name: str, given: str) -> bool:
        known = hmac.compare_digest(given_name.encode(), username.encode())
        return hmac.compare_digest(given.encode(), password.encode()) and known

    return check
