"""Gives each dialect what it needs of the house. A new dialect is a function here and a name in `DIALECTS`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podium.bus.port import Bus
from podium.dialects.dots.desk import Desk
from podium.dialects.dots.dialect import DotsDialect
from podium.dialects.dots.performer import ModelAccess
from podium.dialects.graph.dialect import GraphDialect
from podium.dialects.graph.functions import GraphFunctions
from podium.dialects.port import Dialect
from podium.runs.events import Run, Submission
from podium.runs.journal import Journal
from podium.runs.machine import Input
from podium.settings import Settings
from podium.stack.analyses import diastema
from podium.stack.exchange import ForModels
from podium.stack.jobs import Jobs
from podium.stores.series import SeriesStore


@dataclass(frozen=True, slots=True)
class ResultsForModels:
    """Where models report their results, as an InfluxDB 1.x, and how they sign in."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    database: str = ""


@dataclass(frozen=True, slots=True)
class House:
    """The parts a dialect may be given.

    Args:
        database: the URL of ours.
        check_image: refuses what is known to have nothing behind it; None where somebody else runs models.
        note: keeps what a model of a run said.
        resolve: puts the secrets of documents in place of their names.
        redact: takes secrets out of what people are shown.
        jobs: what performs those of graphs.
    """

    settings: Settings
    bus: Bus
    broker: ForModels
    results: ResultsForModels
    database: str = field(repr=False)
    journal: Journal
    series: SeriesStore
    submit: Callable[[Submission], Awaitable[Run]]
    cancel: Callable[[str], Awaitable[Run]]
    tell: Callable[[str, Input], bool]
    login: Callable[[str, str], Awaitable[str]]
    check_image: Callable[[str], None] | None
    note: Callable[[str, str, str], None]
    resolve: Callable[[Any], Any]
    redact: Callable[[str], str]
    logs: Callable[[str, int | None], Awaitable[Mapping[str, str]]]
    jobs: Jobs


def dots(house: House) -> Dialect:
    settings, broker, results = house.settings.dots, house.broker, house.results
    access = ModelAccess(
        mqtt_host=broker.host,
        mqtt_port=broker.port,
        mqtt_qos=settings.qos,
        mqtt_username=broker.username,
        mqtt_password=broker.password,
        influx_host=results.host,
        influx_port=results.port,
        influx_user=results.username,
        influx_password=results.password,
        influx_name=results.database,
    )
    desk = Desk(
        submit=house.submit,
        cancel=house.cancel,
        run=house.journal.run,
        runs=house.journal.runs,
        document=house.journal.document,
        events=house.journal.events,
        export_csv=house.series.export_csv,
        logs=house.logs,
        login=house.login,
    )
    return DotsDialect(
        house.bus,
        house.tell,
        access=access,
        desk=desk,
        log_sink=house.note,
        simulator=settings.simulator,
        check_image=house.check_image,
        qos=settings.qos,
        settle=settings.settle_ms / 1000,
        ready_timeout=settings.ready_timeout_seconds,
        end_timeout=settings.end_timeout_seconds,
        away_timeout=settings.away_timeout_seconds,
        quiet=settings.quiet_seconds,
        legacy_time_stamps=settings.legacy_time_stamps,
        resolve=house.resolve,
    )


def graph(house: House) -> Dialect:
    jobs = house.jobs
    functions = GraphFunctions(house.settings.functions, jobs.workers, jobs.told)
    return GraphDialect(jobs.kinds(house.bus), functions, resolve=house.resolve, note=house.note, redact=house.redact)


DIALECTS: Sequence[Callable[[House], Dialect]] = (dots, diastema, graph)


def faults(dialects: Sequence[Dialect]) -> dict[str, str | None]:
    """What is wrong with the parts that dialects have of their own, by part, for those in use."""
    found: dict[str, str | None] = {}
    for dialect in dialects:
        found |= getattr(dialect, "faults", {})
    return found


def dropped(dialects: Sequence[Dialect]) -> dict[str, Mapping[str, int]]:
    """What dialects have dropped, by reason, for those that count it."""
    counted = {dialect.name: getattr(dialect, "dropped", None) for dialect in dialects}
    return {name: counts for name, counts in counted.items() if counts}
