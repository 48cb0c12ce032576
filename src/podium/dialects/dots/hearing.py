"""What comes in from the bus, turned into what the simulation machine is told; what makes no sense is counted.

Anybody can publish anything, so nothing that arrives here may raise. The commonest message by far, CalculationsDone of
version 1, has no body: its topic says it all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog
from google.protobuf.message import DecodeError

from podium.dialects.dots import wire
from podium.engines.simulation.messages import (
    AllEnded,
    AllReady,
    Answered,
    Calculation,
    ModelEnded,
    ModelFailed,
    Parameterized,
    StillWaiting,
)
from podium.runs.machine import Input
from podium.sdk import lifecycle_pb2 as pb

log = structlog.get_logger()

LONGEST_REASON = 10_000
LAST_LINES = 30
# What a model declares goes into the journal. A unit is a few letters.
MOST_CALCULATIONS, MOST_UNITS, LONGEST_NAME, LONGEST_UNIT = 1000, 100, 200, 40
LOGGED_EACH = 100  # drops for one reason that are logged one by one; then only when their number has doubled

Heard = tuple[str, Input]  # the run that is told, and what


class Ear:
    """Understands the messages for one simulator.

    Args:
        dropped: counts what was not understood, by reason.
    """

    def __init__(self, dropped: Counter[str]) -> None:
        self.dropped = dropped

    def hear(self, topic: str, payload: bytes, now: float) -> Heard | None:
        """The run and what it is to be told; None where the message was dropped, or tells a run nothing."""
        levels = topic.split("/")
        if len(levels) == 7:
            _, _, sender, _, run, model, word = levels
            if word == "CalculationsDone" and sender == "model":
                if not payload:
                    return run, Answered(now, model)
                return self._parsed(topic, run, model, payload, now, _answered)
            if (parse := _ABOUT_MODELS.get((sender, word))) is not None:
                return self._parsed(topic, run, model, payload, now, parse)
            if word == "UnhealthyModel" and sender == "mso":
                log.warning("dots.model_unhealthy", run=run, model=model)
                return None
        elif len(levels) == 6 and levels[2] == "mso":
            run, word = levels[4:]
            if word == "ModelsReady":
                return run, AllReady(now)
            if word == "AllModelsHaveTerminated":
                return run, AllEnded(now)
        self.drop("unknown message" if len(levels) in (6, 7) else "topic of the wrong length", topic)
        return None

    def drop(self, reason: str, topic: str) -> None:
        """Count and log a message that leads to nothing."""
        if count := self._counted(reason):
            log.warning("dots.message_dropped", reason=reason, topic=topic[:200], count=count)

    def late(self, topic: str) -> None:
        """Count a message for a simulation that has just ended, as the last ones of its models are."""
        self.dropped["simulation has ended"] += 1
        log.debug("dots.message_late", topic=topic)

    def early(self, topic: str) -> None:
        """Count an answer of a simulation that is not known here, or not yet: then the broker's memory will tell it."""
        if count := self._counted("simulation not known yet"):
            log.info("dots.message_early", topic=topic[:200], count=count)

    def _counted(self, reason: str) -> int:
        """How often there was this reason, if that is to be logged."""
        self.dropped[reason] += 1
        count = self.dropped[reason]
        return count if count <= LOGGED_EACH or count & (count - 1) == 0 else 0

    def _parsed(
        self, topic: str, run: str, model: str, payload: bytes, now: float, parse: Callable[[str, bytes, float], Input]
    ) -> Heard | None:
        try:
            return run, parse(model, payload, now)
        except DecodeError:
            self.drop("malformed body", topic)
            return None


def _answered(model: str, payload: bytes, now: float) -> Input:
    return Answered(now, model, pb.CalculationsDone.FromString(payload).time_step_nr or None)


def _parameterized(model: str, payload: bytes, now: float) -> Input:
    said = pb.Parameterized.FromString(payload)
    version = said.protocol_version or 1
    if version not in wire.VERSIONS:
        offered = " and ".join(map(str, wire.VERSIONS))
        return ModelFailed(now, model, f"it speaks version {version} of the protocol; offered are {offered}")
    if len(said.calculations) > MOST_CALCULATIONS:
        return ModelFailed(now, model, f"it declares more than {MOST_CALCULATIONS} calculations")
    calculations = tuple(
        Calculation(one.name[:LONGEST_NAME], one.period_seconds, one.offset_seconds) for one in said.calculations
    )
    if any(one.period_seconds == 0 for one in calculations):
        return ModelFailed(now, model, "it declares a calculation with a period of 0 s")
    units = tuple(
        (one.measurement[:LONGEST_NAME], one.field[:LONGEST_NAME], one.unit[:LONGEST_UNIT])
        for one in said.units[:MOST_UNITS]
    )
    return Parameterized(now, model, version, calculations, units)


def _still_waiting(model: str, payload: bytes, now: float) -> Input:
    said = pb.StillWaiting.FromString(payload)
    return StillWaiting(now, model, said.time_step_nr, frozenset(said.models))


def _error_occurred(model: str, payload: bytes, now: float) -> Input:
    reason = pb.ErrorOccurred.FromString(payload).error_message[:LONGEST_REASON]
    return ModelFailed(now, model, reason or "it reports an error without a message")


def _has_terminated(model: str, payload: bytes, now: float) -> Input:
    said = pb.ModelHasTerminated.FromString(payload)
    success = said.status == pb.SUCCESSFULL
    return ModelEnded(
        now,
        model,
        success=success,
        # 0 also stands for no exit code at all, as of a model that could not be started.
        exit_code=said.exitCode if success or said.exitCode else None,
        reason=said.reason[:LONGEST_REASON] or None,
        last_lines=tuple(line[:LONGEST_REASON] for line in said.last_lines[-LAST_LINES:]),
    )


_ABOUT_MODELS: dict[tuple[str, str], Callable[[str, bytes, float], Input]] = {
    ("model", "Parameterized"): _parameterized,
    ("model", "ErrorOccurred"): _error_occurred,
    ("model", "StillWaiting"): _still_waiting,
    ("mso", "ModelHasTerminated"): _has_terminated,
}
