"""The main program of a service: its conversation with the orchestrators, from ready to done.

Messages are handled one after another in the main thread, which also calculates and drives the network while it waits.
What an orchestrator repeats (after a restart, a lost connection) is answered again, not done again.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType

from google.protobuf.message import DecodeError, Message

from podium.sdk import lifecycle_pb2 as pb
from podium.sdk import topics, wire
from podium.sdk.context import Parameter
from podium.sdk.environment import Environment, EnvironmentProblem, parameters
from podium.sdk.esdl import EsdlError
from podium.sdk.model import CalculationFailed, Datum, Model, Step
from podium.sdk.network import Link, LinkProblem, Received, Restored, Woken
from podium.sdk.parameters import ModelParameters, ParametersError
from podium.sdk.results import ResultsWriter, measurement
from podium.sdk.service import CalculationService

log = logging.getLogger("podium.sdk")

PATIENCE_SECONDS = 2.0  # so long after its beginning, a step says what it waits for; then after twice as long
TERMINATED = 128 + signal.SIGTERM


class _Terminated(BaseException):
    """SIGTERM came; ends what is under way."""


def main(service: CalculationService) -> int:
    """Serve one simulation; gives the exit code."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        environment = Environment.read(os.environ)
        settings = parameters(os.environ, service.parameters)
    except EnvironmentProblem as problem:
        log.error("%s: %s", service.name, problem)
        return 2
    logging.getLogger().setLevel(environment.log_level)
    return Program(service, environment, settings).run()


class Program:
    """One model's life."""

    def __init__(
        self, service: CalculationService, environment: Environment, settings: Mapping[str, Parameter]
    ) -> None:
        self._service = service
        self._environment = environment
        self._settings = settings
        name = f"{environment.simulation}-{environment.model}-{os.urandom(4).hex()}"
        self._link = Link(environment.broker, name)
        self._results: ResultsWriter | None = None
        self._parameters: ModelParameters | None = None
        self._model: Model | None = None
        self._answered = True  # the present step, or there is none
        self._patience, self._complains_at = PATIENCE_SECONDS, 0.0
        self._complained = False  # to the orchestrator, that the present step waits
        self._interruptible = False
        self._terminating = False

        to_me = (environment.simulator, environment.simulation, environment.model)
        self._parameters_topic = topics.simulator_to_model(*to_me, "ModelParameters")
        self._step_topic = topics.simulator_to_model(*to_me, "NewStep")
        self._done_topic = topics.simulator_to_model(*to_me, "SimulationDone")
        self._step_for_all_topic = topics.step_for_all(environment.simulator, environment.simulation)

    def run(self) -> int:
        """The whole conversation; gives the exit code."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        handler = _LogTopic(self._link, topics.log(*self._me))
        try:
            self._link.connect()
            logging.getLogger().addHandler(handler)
            ping, pong = topics.health_of_model(*self._me[1:])
            self._link.answer(ping, lambda payload: self._answer_ping(payload, pong))
            mine = (self._parameters_topic, self._step_topic, self._done_topic, self._step_for_all_topic)
            self._link.subscribe(mine)
            self._say_ready()
            while not self._handle(self._next()):
                pass
        except (LinkProblem, ParametersError, EsdlError, CalculationFailed) as error:
            return self._fail(error)
        except (Woken, _Terminated) as end:
            log.info("ended by SIGTERM%s", self._where(end))
            return TERMINATED
        else:
            return 0
        finally:
            logging.getLogger().removeHandler(handler)
            if self._results is not None:
                self._results.close()
            self._link.close(hurried=self._terminating)

    @property
    def _me(self) -> tuple[str, str, str]:
        return self._environment.simulator, self._environment.simulation, self._environment.model

    def _next(self) -> Received | Restored:
        """The next thing to handle. Raises: LinkProblem, _Terminated."""
        while not self._terminating:
            left = self._complains_at - time.monotonic()
            item = self._link.receive(timeout=None if self._answered else max(left, 0.0))
            if item is not None:
                return item
            if not self._terminating:
                self._patience *= 2
                self._complains_at = time.monotonic() + self._patience
                self._say_what_is_missing()
                self._say_still_waiting()
        raise _Terminated

    def _handle(self, item: Received | Restored) -> bool:
        """Do what a message asks for. True: the simulation is done."""
        if isinstance(item, Restored):
            self._on_restored()
        elif item.topic == self._done_topic:
            self._say_what_is_missing()  # in a step that took too long for somebody
            log.info("the simulation is done")
            return True
        elif item.topic == self._parameters_topic:
            self._on_parameters(item)
        elif item.topic in (self._step_topic, self._step_for_all_topic):
            self._on_step(item)
        else:
            self._on_data(item)
        return False

    def _on_parameters(self, item: Received) -> None:
        try:
            text = pb.ModelParameters.FromString(item.payload).parameters_dict
        except DecodeError as error:
            log.warning("ignored unreadable ModelParameters: %s", error)
            return
        if self._model is None:
            self._parameters = ModelParameters.from_json(text, self._environment.model)
            self._model = Model(self._service, self._parameters, self._settings)
            self._listen(self._model, self._parameters)
            if self._environment.database is not None:
                self._results = ResultsWriter(self._environment.database, *self._me[1:])
        self._say_parameterized()

    def _listen(self, model: Model, given: ModelParameters) -> None:
        simulation = self._environment.simulation
        own = [thing.id for thing in given.objects]
        self._link.subscribe(
            topics.data(service, simulation, esdl_id, output) for service, esdl_id, output in model.wiring.patterns(own)
        )

    def _on_step(self, item: Received) -> None:
        try:
            step = self._read_step(item.payload)
        except (DecodeError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("ignored an unreadable NewStep: %r", error)
            return
        model = self._model
        if model is None:
            log.warning("ignored NewStep %d: there were no parameters before", step.number)
        elif item.topic == self._step_for_all_topic and not self._numbered:
            log.debug("ignored NewStep %d for models of version 2", step.number)
        elif step.number > model.step.number:
            self._begin(model, step)
        elif step.number == model.step.number:
            self._repeat(model, step)
        elif self._numbered:
            self._say_done(step.number)
        else:
            log.warning("ignored NewStep %d: it is long done", step.number)

    def _begin(self, model: Model, step: Step) -> None:
        if not self._answered:
            log.warning("step %d was not finished when step %d came", model.step.number, step.number)
        if not self._is_due(step):
            model.observe(step)
            self._answered = True
            return
        self._answered, self._complained = False, False
        self._be_patient()
        model.begin(step)
        self._calculate(model)

    def _repeat(self, model: Model, step: Step) -> None:
        log.info("step %d came again", step.number)
        model.lose(step.lost)
        self._say_data(model)
        if self._answered:
            if self._is_due(step):
                self._say_done(step.number)
        else:
            self._calculate(model)

    def _on_data(self, item: Received) -> None:
        try:
            datum = wire.decode(item.topic, item.payload)
        except ValueError as error:
            log.warning("ignored: %s", error)
            return
        if self._model is None or not self._model.offer(datum):
            log.debug("ignored data on %s: nobody listens", item.topic)
        elif not self._answered:
            self._calculate(self._model)

    def _calculate(self, model: Model) -> None:
        """Go as far as the inputs allow, and answer the step when all is done."""
        if self._complained and model.ready:
            self._take_back(model)
        for datum in self._ended_by_sigterm(model.calculate()):
            self._send(datum)
        if not model.done:
            return
        if self._results is not None:
            for thing, fields in model.results():
                self._results.record(model.step.stamp, thing, fields)
        self._answered = True  # before it is said: the next step may come at once
        self._say_done(model.step.number)

    @property
    def _numbered(self) -> bool:
        """Whether both sides speak version 2, where steps carry their number."""
        return self._parameters is not None and self._parameters.protocol_version >= 2

    def _read_step(self, payload: bytes) -> Step:
        given = json.loads(pb.NewStep.FromString(payload).parameters_dict)
        number = int(given["time_step_nr"])
        if number < 1:
            raise ValueError(f"there is no step {number}")
        due = given.get("due")
        return Step(
            number,
            int(given["start_time_stamp"]),
            due=None if due is None else frozenset(due),
            lost=frozenset(given.get("lost_esdl_ids", ())),
        )

    def _on_restored(self) -> None:
        """What was said last may be lost. Version 1 cannot tell a repetition: there the orchestrator asks."""
        log.info("connected again")
        if self._model is None:
            self._say_ready()
        elif self._numbered and self._model.step.number == 0:
            self._say_parameterized()
        elif self._numbered:
            self._say_data(self._model)
            if self._answered and self._is_due(self._model.step):
                self._say_done(self._model.step.number)

    def _is_due(self, step: Step) -> bool:
        return step.due is None or self._environment.model in step.due

    def _say_ready(self) -> None:
        topic = topics.model_to_mso(self._environment.simulation, self._environment.model, "ReadyForProcessing")
        self._link.publish(topic, pb.ReadyForProcessing().SerializeToString())

    def _say_parameterized(self) -> None:
        message = pb.Parameterized()
        if self._parameters is not None and self._numbered:
            message.protocol_version = 2
            every_step, kind = self._parameters.simulation.step_seconds, measurement(self._service.esdl_type)
            for each in self._service.calculations:
                message.calculations.add(
                    name=each.name, period_seconds=each.period or every_step, offset_seconds=each.offset
                )
                for output in each.outputs:
                    if output.unit and not output.list:
                        message.units.add(measurement=kind, field=output.name, unit=output.unit)
        self._tell_simulator("Parameterized", message)

    def _say_done(self, number: int) -> None:
        self._tell_simulator("CalculationsDone", pb.CalculationsDone(time_step_nr=number if self._numbered else 0))

    def _say_data(self, model: Model) -> None:
        for datum in model.sent():
            if (
                self._numbered or datum.step == model.step.number
            ):  # who counts arrivals must not see the step before again
                self._send(datum)

    def _send(self, datum: Datum) -> None:
        topic = topics.data(datum.service, self._environment.simulation, datum.esdl_id, datum.output)
        self._link.publish(topic, wire.encode(datum, numbered=self._numbered))

    def _tell_simulator(self, name: str, message: Message) -> None:
        self._link.publish(topics.model_to_simulator(*self._me, name), message.SerializeToString())

    def _say_what_is_missing(self) -> None:
        if self._model is not None and (missing := self._model.missing()):
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            log.warning("step %d still waits for %s%s", self._model.step.number, ", ".join(missing[:5]), more)

    def _say_still_waiting(self) -> None:
        """So that the orchestrator can tell who waits from who is silent."""
        if self._numbered and self._model is not None and (models := self._model.missed()):
            message = pb.StillWaiting(time_step_nr=self._model.step.number, models=models)
            self._tell_simulator("StillWaiting", message)
            self._complained = True

    def _take_back(self, model: Model) -> None:
        """Who calculates waits for nobody, and is at fault itself if that never ends."""
        self._tell_simulator("StillWaiting", pb.StillWaiting(time_step_nr=model.step.number))
        self._complained = False
        self._be_patient()

    def _be_patient(self) -> None:
        self._patience = PATIENCE_SECONDS
        self._complains_at = time.monotonic() + self._patience

    def _answer_ping(self, payload: bytes, pong: str) -> None:
        """In whatever thread drives the link."""
        try:
            pb.PingHealthMSOToModel.FromString(payload)
        except DecodeError as error:
            log.warning("ignored an unreadable ping: %s", error)
            return
        self._link.publish(pong, pb.PongHealthModelToMSO(healthy=pb.HEALTHY).SerializeToString())

    def _fail(self, error: Exception) -> int:
        cause = error.__cause__ if isinstance(error, CalculationFailed) else None
        text = str(error)
        if cause is not None:
            text = f"{error}: {traceback.format_exception_only(cause)[-1].strip()}"
            cause = cause.with_traceback(_below_sdk(cause.__traceback__))
            if theirs := _theirs(cause):
                text += f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})"
        log.error(text, exc_info=cause)
        self._tell_simulator("ErrorOccurred", pb.ErrorOccurred(error_message=text))
        return 1

    def _where(self, end: BaseException) -> str:
        """What was under way, for who wonders why it took so long."""
        theirs = _theirs(end)
        if self._model is None or not theirs:
            return ""
        step, at = self._model.step.number, theirs[0]
        return f" in step {step}, at {Path(at.filename).name}, line {at.lineno}: {at.line}"

    def _ended_by_sigterm(self, calculated: Iterator[Datum]) -> Iterator[Datum]:
        """The same, while SIGTERM ends at once what may take long, and nothing else."""
        while True:
            self._interruptible = True
            try:
                if self._terminating:  # it came just before
                    raise _Terminated
                datum = next(calculated, None)
            finally:
                self._interruptible = False
            if datum is None:
                return
            yield datum

    def _on_sigterm(self, _number: int, _frame: FrameType | None) -> None:
        self._terminating = True
        if self._interruptible:
            self._interruptible = False  # a second one must not disturb the tidying up
            raise _Terminated
        self._link.wake()


def _theirs(error: BaseException) -> list[traceback.FrameSummary]:
    """Where the error passed through code that is not ours."""
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_sdk(frame.filename)]


def _below_sdk(trace: TracebackType | None) -> TracebackType | None:
    """What the service's author wrote begins below our own call of it."""
    while trace is not None and _is_sdk(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_sdk(filename: str) -> bool:
    return Path(filename).parent == Path(__file__).parent


class _LogTopic(logging.Handler):
    """Sends log lines to the orchestrator as well."""

    def __init__(self, link: Link, topic: str) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        self._link = link
        self._topic = topic

    def emit(self, record: logging.LogRecord) -> None:
        self._link.post(self._topic, self.format(record).encode())  # SIGTERM may come in the midst of it
