"""The model services orchestrator: runs models on the backplane for whoever conducts simulations, and tells of them.

It speaks only through the bus, so either side may be somebody else's. All that it knows can be found again: which
models there are, on the backplane; what was said, where the broker remembers it. So it may be killed at any moment.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from google.protobuf.message import DecodeError

from podium.backplane.port import Backplane, Model, ModelSpec
from podium.bus.port import Bus, Message, RemembersLifecycle, Subscription
from podium.dialects.dots.inventory import End, Instance, Simulation, refused, specification
from podium.dialects.dots.mso_health import Health
from podium.dialects.dots.mso_memory import Conversation, inventory_of
from podium.dialects.dots.mso_outbox import Outbox
from podium.errors import Conflict, PodiumError, Unavailable
from podium.sdk import lifecycle_pb2 as pb
from podium.sdk import topics

log = structlog.get_logger()

LOGGED_EACH = 100  # drops for one reason that are logged one by one; then only when their number has doubled
PAST = 1000  # simulations that are over, kept to answer those who ask again


class ModelServicesOrchestrator:
    """Deploys, watches and removes the models of one simulator. `bus` is connected and `backplane` started already.

    Args:
        simulator: its name on the wire.
        qos: of all that is said about lifecycles.
        deploys: how many models are being handed to the backplane at a time.
        quiet_seconds: where the broker remembers nothing: how long to listen after a restart or a lost link before
            models that live are taken as ready.
        ping_seconds: between two pings of a model; 0: none are sent.
        pings_missed: so many in a row, and a model that used to answer them makes no progress.
        grace_seconds: between SIGTERM and SIGKILL when models are removed.
    """

    def __init__(
        self,
        bus: Bus,
        backplane: Backplane,
        *,
        simulator: str = topics.DEFAULT_SIMULATOR,
        qos: int = 1,
        deploys: int = 8,
        quiet_seconds: float = 10.0,
        ping_seconds: float = 30.0,
        pings_missed: int = 3,
        grace_seconds: float = 5.0,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self._bus = bus
        self._memory = bus if isinstance(bus, RemembersLifecycle) else None
        self._backplane = backplane
        self._simulator = simulator
        self._qos = qos
        self._deploys = asyncio.Semaphore(deploys)
        self._quiet_seconds = quiet_seconds
        self._ping_seconds = ping_seconds
        self._grace_seconds = grace_seconds
        self._simulations: dict[str, Simulation] = {}
        self._past: dict[str, Simulation] = {}
        self._health = Health(self._simulations, pings_missed)
        self._outbox = Outbox(bus, qos)
        self._subscriptions: list[Subscription] = []
        self._early: list[Message] | None = []  # what comes before all is taken over
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet: dict[str, asyncio.TimerHandle] = {}

    @property
    def simulations(self) -> Mapping[str, Simulation]:
        """The inventory: each simulation of which a model lives or is to be deployed."""
        return self._simulations

    async def start(self) -> None:
        """Take over what an earlier one left, and listen. Raises: Unavailable."""
        orders, pings = f"/lifecycle/{self._simulator}/mso/#", topics.health_of_mso(self._simulator)[0]
        for pattern in (orders, "/lifecycle/model/mso/#", pings, "/health/model/mso/#"):
            self._subscriptions.append(await self._bus.subscribe(pattern, self._heard, qos=self._qos))
        self._background(self._outbox.run())
        said = await Conversation.recall(self._memory, self._simulator) if self._memory else None
        self._adopt(await self._backplane.list({"simulator_id": self._simulator}), said)
        early, self._early = self._early or [], None
        for message in early:
            self._understand(message.topic, message.payload)
        self._bus.on_restored(self._restored)
        self._background(self._watch())
        if self._ping_seconds:
            self._background(self._ping())

    async def close(self) -> None:
        """Stop listening and say what is left to say. The models live on."""
        while self._subscriptions:
            await self._subscriptions.pop().close()
        await self._outbox.flush()
        for timer in self._quiet.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What is heard

    def _heard(self, message: Message) -> None:
        message.ack()
        if message.retained:  # of a simulation that may be long over
            self._drop("retained message", message.topic)
        elif self._early is None:
            self._understand(message.topic, message.payload)
        else:
            self._early.append(message)

    def _understand(self, topic: str, payload: bytes) -> None:
        """Anybody can publish anything: nothing here may raise."""
        try:
            match topic.split("/"):
                case ["", "lifecycle", self._simulator, "mso", simulation, "DeployModels"]:
                    self._asked(simulation, pb.DeployModels.FromString(payload))
                case ["", "lifecycle", self._simulator, "mso", simulation, "RemoveModels"]:
                    self._asked_to_remove(simulation, topic)
                case ["", "lifecycle", "model", "mso", simulation, model, "ReadyForProcessing"]:
                    self._ready(simulation, model, topic)
                case ["", "health", "model", "mso", simulation, model, "Pong"]:
                    self._pong(simulation, model, pb.PongHealthModelToMSO.FromString(payload), topic)
                case ["", "health", self._simulator, "mso", "Ping"]:
                    pong = self._health.answer(pb.PingHealthSOToMSO.FromString(payload))
                    self._say(topics.health_of_mso(self._simulator)[1], pong)
                case ["", _, "model", _, _, _, _] | ["", "lifecycle", self._simulator, _, _, _]:
                    self._drop("unknown message", topic)
                case _:
                    self._drop("topic of the wrong length", topic)
        except DecodeError:
            self._drop("malformed body", topic)

    def _drop(self, reason: str, topic: str) -> None:
        self.dropped[reason] += 1
        count = self.dropped[reason]
        if count <= LOGGED_EACH or count & (count - 1) == 0:
            log.warning("mso.message_dropped", reason=reason, topic=topic[:200], count=count)

    def _asked(self, id_: str, request: pb.DeployModels) -> None:
        """Deploy what is missing; of what there is already, say again what was said."""
        if id_ in self._past:
            self._say_all(self._past[id_])
            return
        known = self._simulations.get(id_)
        if known is not None:
            known.announced = False
            for model in known.models.values():
                self._say_end(known, model)
        self._deploy_missing(id_, request)

    def _asked_to_remove(self, id_: str, topic: str) -> None:
        simulation = self._simulations.get(id_)
        if simulation is not None:
            self._doom(simulation, "removed at the simulator's request")
            return
        if id_ not in self._past:
            self._drop("unknown simulation", topic)
        self._say(topics.mso_to_simulator(self._simulator, id_, "AllModelsHaveTerminated"))

    def _ready(self, id_: str, model_id: str, topic: str) -> None:
        simulation, model = self._find(id_, model_id, topic)
        if simulation is None or model is None or model.end is not None:
            return
        model.ready = True
        timer = self._quiet.pop(id_, None)
        if timer is not None:  # it was being deployed while we were away
            timer.cancel()
            simulation.announced = False
            self._listen(simulation)
        self._consider(simulation)

    def _pong(self, id_: str, model_id: str, pong: pb.PongHealthModelToMSO, topic: str) -> None:
        simulation, model = self._find(id_, model_id, topic)
        if simulation is not None and model is not None:
            self._health.pong(simulation, model, pong)

    def _find(self, id_: str, model_id: str, topic: str) -> tuple[Simulation | None, Instance | None]:
        simulation = self._simulations.get(id_)
        model = simulation.models.get(model_id) if simulation else None
        if model is None and id_ not in self._past:
            self._drop("unknown model" if simulation else "unknown simulation", topic)
        return simulation, model

    # What is done

    def _deploy_missing(self, id_: str, request: pb.DeployModels, gone: Iterable[str] = ()) -> None:
        """`gone` are models that ran, and of which nothing is left."""
        refusal = refused(id_, request)
        if refusal is not None:
            self._drop("no models, or ids that cannot be", topics.deploy_models(self._simulator, id_))
            if id_ not in self._simulations:
                self._remember_past(refusal)
                self._say_all(refusal)
            return
        simulation = self._simulations.setdefault(id_, Simulation(id_))
        for configuration in request.modelConfigurations:
            if configuration.modelID in simulation.models:
                continue
            spec = specification(self._simulator, id_, configuration, request)
            model = simulation.models[configuration.modelID] = Instance(configuration.modelID, spec.name)
            if model.id in gone:
                model.end = End(False, reason="it ended while nobody watched, and nothing is left of it")
                self._say_end(simulation, model)
            else:
                self._background(self._place(simulation, model, spec))
        self._consider(simulation)

    async def _place(self, simulation: Simulation, model: Instance, spec: ModelSpec) -> None:
        async with self._deploys:
            if simulation.doomed:
                self._end(simulation, model, End(False, reason="it was not started"))
                return
            try:
                there = await self._backplane.deploy(spec)
                if there.labels != spec.labels:
                    raise Conflict(f"another model is called {spec.name} already")
            except PodiumError as error:
                self._end(simulation, model, End(False, reason=str(error)))
                self._doom(simulation, f"the model {model.id} could not be deployed")
                return
        await self._placed(simulation, model)

    async def _placed(self, simulation: Simulation, model: Instance) -> None:
        model.placed = True
        if simulation.doomed:  # meanwhile
            await self._remove(simulation, model)

    def _doom(self, simulation: Simulation, reason: str) -> None:
        """End all that lives of it; those still to be deployed see it before they are."""
        simulation.doomed = simulation.doomed or reason
        log.info("mso.simulation_removed", simulation=simulation.id, reason=reason)
        for model in simulation.living():
            if model.placed:
                self._background(self._remove(simulation, model))

    async def _remove(self, simulation: Simulation, model: Instance) -> None:
        try:
            await self._backplane.remove(model.name, grace_seconds=self._grace_seconds)
        except PodiumError as error:
            log.warning("mso.not_removed", simulation=simulation.id, model=model.id, reason=str(error))
        else:
            self._end(simulation, model, End(False, reason="removed"))  # unless the backplane told how

    async def _watch(self) -> None:
        async for model in self._backplane.watch():
            labels = model.labels
            if not model.state.ended or labels.get("simulator_id") != self._simulator:
                continue
            simulation = self._simulations.get(labels.get("simulation_id", ""))
            instance = simulation.models.get(labels.get("model_id", "")) if simulation else None
            if simulation and instance:
                self._end(simulation, instance, End.of(model))

    def _end(self, simulation: Simulation, model: Instance, end: End) -> None:
        if model.end is not None:
            return
        if simulation.doomed and not end.success:
            end = replace(end, reason=f"{simulation.doomed}: {end.reason}")
        model.end = end
        log.info("mso.model_ended", simulation=simulation.id, model=model.id, state=model.state, reason=end.reason)
        if end.last_lines:
            self._say(topics.log(self._simulator, simulation.id, model.id), "\n".join(end.last_lines).encode())
        self._say_end(simulation, model)
        self._consider(simulation)

    def _consider(self, simulation: Simulation) -> None:
        """Say what follows for the simulation as a whole."""
        if simulation.over and simulation.id in self._simulations:
            del self._simulations[simulation.id]
            self._remember_past(simulation)
            self._say(topics.mso_to_simulator(self._simulator, simulation.id, "AllModelsHaveTerminated"))
        elif simulation.ready and not simulation.announced:
            simulation.announced = True
            self._say(topics.mso_to_simulator(self._simulator, simulation.id, "ModelsReady"))

    def _remember_past(self, simulation: Simulation) -> None:
        self._past[simulation.id] = simulation
        if len(self._past) > PAST:
            del self._past[next(iter(self._past))]

    # What is said

    def _say(self, topic: str, payload: bytes = b"") -> None:
        self._outbox.put(topic, payload)

    def _say_end(self, simulation: Simulation, model: Instance) -> None:
        if model.end is not None:
            topic = topics.mso_about_model(self._simulator, simulation.id, model.id, "ModelHasTerminated")
            self._say(topic, model.end.serialize())

    def _say_all(self, simulation: Simulation) -> None:
        for model in simulation.models.values():
            self._say_end(simulation, model)
        self._say(topics.mso_to_simulator(self._simulator, simulation.id, "AllModelsHaveTerminated"))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._ping_seconds)
            await self._ping_each()

    async def _ping_each(self) -> None:
        pinged, silent = self._health.round()
        unhealthy = pb.UnhealthyModel(status=pb.NOPROGRESS).SerializeToString()
        for simulation, model in silent:
            log.warning("mso.model_silent", simulation=simulation.id, model=model.id)
            self._say(topics.mso_about_model(self._simulator, simulation.id, model.id, "UnhealthyModel"), unhealthy)
        ping = pb.PingHealthMSOToModel(healthy=pb.HEALTHY).SerializeToString()
        pings = [(topics.health_of_model(simulation.id, model.id)[0], ping) for simulation, model in pinged]
        try:
            await self._bus.publish_many(pings)
        except Unavailable as error:
            log.info("mso.not_pinged", reason=str(error))

    # After a restart or a lost link

    def _adopt(self, models: Iterable[Model], said: Conversation | None) -> None:
        """Take over the models of an earlier orchestrator."""
        found = inventory_of(self._simulator, models, said)
        reported = said.ends if said else {}
        for simulation in found.values():
            closed = said is not None and (simulation.id in said.over or simulation.id not in said.requests)
            if closed and simulation.over:
                self._remember_past(simulation)
                continue
            log.info("mso.simulation_adopted", simulation=simulation.id, models=len(simulation.models))
            self._simulations[simulation.id] = simulation
            for model in simulation.models.values():
                if (simulation.id, model.id) not in reported:
                    self._say_end(simulation, model)
        if said is not None:
            self._catch_up(said)
        else:
            for simulation in list(self._simulations.values()):
                self._listen(simulation)
                self._consider(simulation)

    def _catch_up(self, said: Conversation) -> None:
        """Do what was asked for, and note what was said, while we did not listen."""
        for id_, model_id in said.ready:
            if id_ in self._simulations and model_id in self._simulations[id_].models:
                self._simulations[id_].models[model_id].ready = True
        for id_, simulation in self._simulations.items():
            simulation.announced = id_ in said.announced
        for id_, request in said.requests.items():
            if id_ not in self._past and id_ not in said.over:
                gone = [model_id for simulation, model_id in said.ready if simulation == id_]
                self._deploy_missing(id_, request, gone)
        for id_ in (said.removed | said.over) & self._simulations.keys():
            self._doom(self._simulations[id_], "removed at the simulator's request")
        for simulation in list(self._simulations.values()):
            self._consider(simulation)

    def _listen(self, simulation: Simulation) -> None:
        """Where nobody can tell who was ready: take those that live as ready, once no more of them say so."""
        waiting = [model for model in simulation.living() if model.placed and not model.ready]
        if waiting:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._quiet_seconds, self._take_as_ready, simulation, waiting)
            self._quiet[simulation.id] = timer

    def _take_as_ready(self, simulation: Simulation, models: Iterable[Instance]) -> None:
        del self._quiet[simulation.id]
        log.warning("mso.taken_as_ready", simulation=simulation.id, models=[model.id for model in models])
        for model in models:
            model.ready = True
        self._consider(simulation)

    def _restored(self) -> None:
        if self._subscriptions:
            self._outbox.restored()
            self._background(self._listen_again())

    async def _listen_again(self) -> None:
        if self._memory is not None:
            self._catch_up(await Conversation.recall(self._memory, self._simulator))
            return
        for simulation in self._simulations.values():
            if simulation.id not in self._quiet:
                self._listen(simulation)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("mso.task_failed", exc_info=error)
