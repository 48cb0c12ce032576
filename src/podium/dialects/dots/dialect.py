"""The room of energy simulations in the house: its documents, its machine, its conversation and its routes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter

from podium.bus.port import Bus, Message, Subscription
from podium.dialects.documents import parsed
from podium.dialects.dots import metamodel, reading
from podium.dialects.dots.desk import Desk
from podium.dialects.dots.hearing import Ear
from podium.dialects.dots.performer import DotsPerformer, ModelAccess
from podium.dialects.dots.reading import KIND, Reader
from podium.dialects.dots.routes import routes
from podium.dialects.dots.spelling import unread
from podium.dialects.port import Kind
from podium.engines.simulation.machine import SimulationMachine
from podium.engines.simulation.messages import ModelReady
from podium.errors import Fault
from podium.runs.conductor import steady_clock
from podium.runs.events import Submission
from podium.runs.machine import Input
from podium.sdk import topics

LogSink = Callable[[str, str, str], None]

WARM_SECONDS = 2.0


class DotsDialect:
    """The simulation orchestrator.

    Args:
        tell: feeds an input to a run; False when no such run is active.
        access: what models are told about broker and database.
        desk: what the routes need of the house.
        log_sink: takes what models log, as run, model, text; must not block.
        check_image: refuses an image that is known to have nothing behind it here.
        qos: of our subscriptions, and of NewStep.
        settle: the pause for models of version 1, in seconds.
        resolve: puts the values of secrets in place of their names.
        ready_timeout, end_timeout, away_timeout, quiet: in seconds, as the reader has them.
        clock: gives Unix seconds and never goes backwards, as the conductor's does.
    """

    name = "dots"
    marks = ("name", "start_date", "calculation_services", "esdl_base64string")

    def __init__(
        self,
        bus: Bus,
        tell: Callable[[str, Input], bool],
        *,
        access: ModelAccess,
        desk: Desk,
        log_sink: LogSink,
        simulator: str = topics.DEFAULT_SIMULATOR,
        check_image: Callable[[str], None] | None = None,
        qos: int = 0,
        settle: float = 0.02,
        ready_timeout: float = 300.0,
        end_timeout: float = 30.0,
        away_timeout: float = 600.0,
        quiet: float = 5.0,
        legacy_time_stamps: bool = False,
        resolve: Callable[[Any], Any] = lambda value: value,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._bus = bus
        self._tell = tell
        self._desk = desk
        self._log_sink = log_sink
        self._simulator = simulator
        self._qos = qos
        self._clock = clock = clock or steady_clock()
        self._ear = Ear(Counter())
        self._reader = Reader(simulator, check_image, settle, ready_timeout, end_timeout, away_timeout, quiet)
        self._performer = DotsPerformer(
            bus,
            self._ear,
            clock,
            simulator=simulator,
            access=access,
            step_qos=qos,
            legacy_time_stamps=legacy_time_stamps,
            resolve=resolve,
        )
        self._kinds = {KIND: Kind(KIND, SimulationMachine(), self._performer)}
        # One at a time: documents are read as fast as they come, and never starve the event loop together.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="dots-reader")
        self._subscriptions: list[Subscription] = []
        self._warming: asyncio.TimerHandle | None = None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return self._kinds

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many messages from the bus led to nothing, by reason."""
        return self._ear.dropped

    def recognises(self, filename: str, content: bytes) -> bool:  # noqa: ARG002  # by content alone
        return reading.recognises(content)

    async def read(self, content: bytes, *, filename: str = "") -> Submission:
        """The run that this document asks for.

        With `filename` an `esdl_file` beside the document is read: give it for files of the caller's own machine only.

        Raises: DocumentRefused, naming every fault found and where.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._reader.read, content, filename)

    async def advice(self, content: bytes) -> list[Fault]:
        """The keys that Podium does not read."""
        given = await asyncio.get_running_loop().run_in_executor(self._threads, parsed, content)
        return list(unread(given))

    def keeps_logs_seconds(self, document: Mapping[str, Any]) -> float:
        return float(document["dots"]["body"]["keep_logs_hours"]) * 3600

    def routes(self, guard: Callable[..., Any]) -> APIRouter:
        return routes(self.read, self._desk, guard, self._clock)

    async def start(self) -> None:
        # Not now, when everybody waits for us; a document that comes before waits for it itself.
        self._warming = asyncio.get_running_loop().call_later(WARM_SECONDS, self._threads.submit, metamodel.warm)
        us = self._simulator
        for pattern, handler in (
            (f"/lifecycle/model/{us}/#", self._hear),
            (f"/lifecycle/mso/{us}/#", self._hear),
            (f"/log/model/{us}/#", self._hear_log),
            (topics.model_to_mso("+", "+", "ReadyForProcessing"), self._overhear),
        ):
            self._subscriptions.append(await self._bus.subscribe(pattern, handler, qos=self._qos))

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _hear(self, message: Message) -> None:
        heard = self._ear.hear(message.topic, message.payload, self._clock())
        if heard is not None:
            self._pass_on(message.topic, *heard)
        message.ack()

    def _overhear(self, message: Message) -> None:
        """What models tell the MSO; those of other simulators are none of ours."""
        _, _, _, _, run, model, _ = message.topic.split("/")
        if not message.retained and self._performer.knows(run, model):
            self._tell(run, ModelReady(self._clock(), model))
        message.ack()

    def _pass_on(self, topic: str, run: str, said: Input) -> None:
        what = self._performer.complete(run, said)
        if what is None:
            if not self._performer.has_met(run):
                self._ear.early(topic)
        elif not self._tell(run, what):
            if self._performer.has_ended(run):
                self._ear.late(topic)
            else:
                self._ear.drop("no such simulation under way", topic)

    def _hear_log(self, message: Message) -> None:
        levels = message.topic.split("/")
        if len(levels) == 6 and self._performer.knows(levels[4], levels[5]):
            self._log_sink(levels[4], levels[5], message.payload.decode("utf-8", "replace"))
        else:
            self._ear.drop("log of no model under way", message.topic)
        message.ack()
