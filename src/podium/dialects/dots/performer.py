"""Carries out what the simulation machine decides: puts its commands on the bus, and finds out what was missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from google.protobuf.message import DecodeError

from podium.bus.port import Bus, Message, RemembersLifecycle
from podium.dialects.dots import wire
from podium.dialects.dots.hearing import Ear
from podium.engines.simulation.messages import (
    Answered,
    Calculation,
    Deploy,
    Finish,
    Parameterize,
    Parameterized,
    Remove,
    Step,
    StepSent,
)
from podium.errors import Unavailable
from podium.runs.machine import Command, Input, Performed, Recovery
from podium.sdk import topics

log = structlog.get_logger()

AT_LEAST_ONCE = 1
ENDED_KEPT = 1000


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """Where models find the broker and the database of results, and how they sign in."""

    mqtt_host: str
    mqtt_port: int
    mqtt_qos: int = 0
    mqtt_username: str = ""
    mqtt_password: str = field(default="", repr=False)
    influx_host: str = ""
    influx_port: int = 8086
    influx_user: str = ""
    influx_password: str = field(default="", repr=False)
    influx_name: str = ""

    def environment(self) -> dict[str, str]:
        return {
            "MQTT_HOST": self.mqtt_host,
            "MQTT_PORT": str(self.mqtt_port),
            "MQTT_QOS": str(self.mqtt_qos),
            "MQTT_USERNAME": self.mqtt_username,
            "MQTT_PASSWORD": self.mqtt_password,
            "INFLUXDB_HOST": self.influx_host,
            "INFLUXDB_PORT": str(self.influx_port),
            "INFLUXDB_USER": self.influx_user,
            "INFLUXDB_PASSWORD": self.influx_password,
            "INFLUXDB_NAME": self.influx_name,
        }


class DotsPerformer:
    """The simulation orchestrator's part of the conversation.

    Args:
        simulator: our name on the wire.
        step_qos: of NewStep alone, which is sent most; all else is sent at least once.
        legacy_time_stamps: stamp step n as the field's first orchestrator did, two steps late.
        resolve: puts the values of secrets in place of their names.
    """

    def __init__(
        self,
        bus: Bus,
        ear: Ear,
        clock: Callable[[], float],
        *,
        simulator: str,
        access: ModelAccess,
        step_qos: int = 0,
        legacy_time_stamps: bool = False,
        resolve: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self._bus = bus
        self._memory = bus if isinstance(bus, RemembersLifecycle) else None
        self._ear = ear
        self._clock = clock
        self._simulator = simulator
        self._access = access
        self._step_qos = step_qos
        self._late_by = 2 if legacy_time_stamps else 0
        self._resolve = resolve
        self._runs: dict[str, _Known] = {}
        self._ended: deque[str] = deque(maxlen=ENDED_KEPT)

    async def perform(self, run: str, document: Mapping[str, Any], command: Command) -> Input | None:
        known = self._known(run, document)
        match command:
            case Step():
                await self._step(run, document, known, command)
            case Deploy():
                await self._deploy(run, document)
            case Parameterize():
                await self._parameterize(run, document, command.models)
            case Finish():
                done = wire.simulation_done()
                said = [(self._to_model(run, model, "SimulationDone"), done) for model in command.models]
                await self._bus.publish_many(said, qos=AT_LEAST_ONCE)
            case Remove():
                done = wire.simulation_done()  # to an MSO of another make the order to remove says nothing
                said = [(self._to_model(run, model, "SimulationDone"), done) for model in command.models]
                said.append((topics.remove_models(self._simulator, run), wire.remove_models()))
                await self._bus.publish_many(said, qos=AT_LEAST_ONCE)
            case _:
                raise TypeError(f"not a command of simulations: {command!r}")
        return Performed(self._clock(), command.key)

    async def recover(self, run: str, document: Mapping[str, Any]) -> Recovery:
        known = self._known(run, document)
        if self._memory is None:
            return Recovery()
        held = known.held = []
        kept: list[Message] = []
        complete = True
        try:
            for pattern in self._remembered(run):
                kept += [message async for message in self._memory.recall(pattern)]
        except Unavailable as error:
            log.warning("dots.memory_unread", run=run, reason=str(error))
            complete = False
        finally:
            known.held = None
        kept.sort(key=lambda message: message.sequence)
        now = self._clock()
        sent: dict[str, int] = {}
        recalled = [self._recalled(message, known, sent, now) for message in kept]
        known.steps |= sent
        inputs = [*recalled, *(known.complete(answer) for answer in held)]
        return Recovery([what for what in inputs if what is not None], complete=complete)

    async def released(self, run: str) -> None:
        self._runs.pop(run, None)
        self._ended.append(run)
        if self._memory is not None:
            await self._memory.forget(f"/lifecycle/+/+/{run}/#")

    def complete(self, run: str, what: Input) -> Input | None:
        """What a model said, with what it leaves out and we know: which step it answers, when it calculates.

        None, when it is an answer whose step is not known yet: `recover` will tell it.
        """
        known = self._runs.get(run)
        if known is not None:
            what = known.complete(what)
        if self._memory is not None and type(what) is Answered and what.number is None:
            if known is None:
                return None  # recovery is to come, and will recall it
            if known.held is not None:
                known.held.append(what)
                return None
        return what

    def has_ended(self, run: str) -> bool:
        """Whether this is a run that ended lately."""
        return run in self._ended

    def has_met(self, run: str) -> bool:
        """Whether this is a run under way that was begun or recovered here."""
        return run in self._runs

    def knows(self, run: str, model: str) -> bool:
        """Whether this is a model of a run under way."""
        known = self._runs.get(run)
        return known is not None and model in known.models

    async def _deploy(self, run: str, document: Mapping[str, Any]) -> None:
        body = document["dots"]["body"]
        shared = {
            **self._access.environment(),
            "SIMULATOR_ID": self._simulator,
            "SIMULATION_ID": run,
            "LOG_LEVEL": body["log_level"].upper(),
        }
        models = []
        for model, part in document["dots"]["models"].items():
            service = body["calculation_services"][part["service"]]
            own = {one["name"]: self._resolve(one["value"]) for one in service.get("additional_env_variable", ())}
            models.append((model, service["service_image_url"], {**own, **shared, "MODEL_ID": model}))
        payload = wire.deploy_models(self._simulator, models, body["keep_logs_hours"])
        await self._bus.publish(topics.deploy_models(self._simulator, run), payload, qos=AT_LEAST_ONCE)

    async def _parameterize(self, run: str, document: Mapping[str, Any], models: Sequence[str]) -> None:
        plan, body = document["simulation"], document["dots"]["body"]
        private = {"additional_env_variable", "calculations"}
        parameters = wire.model_parameters(
            name=body["name"],
            start=plan["start"],
            step_seconds=plan["step_seconds"],
            steps=plan["steps"],
            services=[
                {key: value for key, value in service.items() if key not in private}
                for service in body["calculation_services"]
            ],
            esdl_base64=body["esdl_base64string"],
        )
        for model in models:
            payload = parameters(document["dots"]["models"][model]["esdl_ids"])
            await self._bus.publish(self._to_model(run, model, "ModelParameters"), payload, qos=AT_LEAST_ONCE)

    async def _step(self, run: str, document: Mapping[str, Any], known: _Known, step: Step) -> None:
        time = step.time + self._late_by * int(document["simulation"]["step_seconds"])
        said: list[tuple[str, bytes]] = []
        if step.models:
            payload = wire.new_step(step.number, time)
            for model in step.models:
                known.steps[model] = step.number
                said.append((self._to_model(run, model, "NewStep"), payload))
        if step.broadcast:
            models = document["dots"]["models"]
            all_due = len(step.due) + len(step.lost) == len(models)
            payload = wire.new_step(
                step.number,
                time,
                due=None if all_due else step.due,
                lost_esdl_ids=[esdl_id for model in step.lost for esdl_id in models[model]["esdl_ids"]],
            )
            said.append((topics.step_for_all(self._simulator, run), payload))
        await self._bus.publish_many(said, qos=self._step_qos)

    def _to_model(self, run: str, model: str, message: str) -> str:
        return topics.simulator_to_model(self._simulator, run, model, message)

    def _known(self, run: str, document: Mapping[str, Any]) -> _Known:
        known = self._runs.get(run)
        if known is None:
            known = self._runs[run] = _Known(frozenset(document["dots"]["models"]), _declared(document["dots"]))
        return known

    def _remembered(self, run: str) -> tuple[str, ...]:
        us = self._simulator
        return (
            f"/lifecycle/mso/{us}/{run}/#",
            f"/lifecycle/model/{us}/{run}/#",
            topics.simulator_to_model(us, run, "+", "NewStep"),
            topics.step_for_all(us, run),
        )

    def _recalled(self, message: Message, known: _Known, sent: dict[str, int], now: float) -> Input | None:
        """The input that a kept message would have been; a step of ours is noted for the answers behind it."""
        levels = message.topic.split("/")
        if levels[-1] != "NewStep":
            heard = self._ear.hear(message.topic, message.payload, now)
            if heard is None:
                return None
            what = heard[1]
            if type(what) is not Answered or what.number is not None:
                return known.complete(what)
            # Only the last few of each topic are kept: the first answer may be to a step from before those that are.
            number = sent.get(what.model)
            return None if number is None else Answered(what.now, what.model, number)
        try:
            number = wire.step_number(message.payload)
        except (DecodeError, ValueError):
            self._ear.drop("malformed body", message.topic)
            return None
        if levels[3] == "models":
            return StepSent(now, None, number)
        sent[levels[5]] = number
        return StepSent(now, levels[5], number)


@dataclass(slots=True)
class _Known:
    """What is known of a run beyond what its models say themselves.

    Args:
        declared: what the document declares for models that do not declare their calculations.
        steps: the step that a model of version 1 was told last: what it answers is that one.
        held: answers that came while it is recalled which steps were sent.
    """

    models: frozenset[str]
    declared: Mapping[str, tuple[Calculation, ...]]
    steps: dict[str, int] = field(default_factory=dict)
    held: list[Answered] | None = None

    def complete(self, what: Input) -> Input:
        if type(what) is Answered:
            if what.number is None and (number := self.steps.get(what.model)) is not None:
                return Answered(what.now, what.model, number)
        elif isinstance(what, Parameterized) and not what.calculations and what.model in self.declared:
            return replace(what, calculations=self.declared[what.model])
        return what


def _declared(dots: Mapping[str, Any]) -> dict[str, tuple[Calculation, ...]]:
    by_service = [
        tuple(
            Calculation(one.get("name", ""), one["period_seconds"], one.get("offset_seconds", 0))
            for one in service.get("calculations", ())
        )
        for service in dots["body"]["calculation_services"]
    ]
    return {model: by_service[part["service"]] for model, part in dots["models"].items() if by_service[part["service"]]}
