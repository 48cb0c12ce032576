"""Whether models, and so the orchestrator of models, are healthy. A pong is never required: version 1 knows none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import structlog

from podium.dialects.dots.inventory import Instance, Simulation
from podium.sdk import lifecycle_pb2 as pb

log = structlog.get_logger()


class Health:
    """What pings and pongs tell.

    Args:
        missed: so many pings in a row without a pong, and a model that used to answer makes no progress.
    """

    def __init__(self, simulations: Mapping[str, Simulation], missed: int) -> None:
        self._simulations = simulations
        self._missed = missed

    def pong(self, simulation: Simulation, model: Instance, pong: pb.PongHealthModelToMSO) -> None:
        model.unanswered = 0
        model.complaints = () if pong.healthy == pb.HEALTHY else tuple(pong.reasons) or ("no reason given",)
        if model.complaints:
            log.warning("mso.model_unhealthy", simulation=simulation.id, model=model.id, reasons=model.complaints)

    def answer(self, ping: pb.PingHealthSOToMSO) -> bytes:
        """The pong to the simulator."""
        reasons = [f"{id_}: no model of it is here" for id_ in ping.activeSimulations if id_ not in self._simulations]
        for simulation, model in self._living():
            silent = model.unanswered is not None and model.unanswered >= self._missed
            complaints = (*model.complaints, "makes no progress") if silent else model.complaints
            reasons += [f"{simulation.id}/{model.id}: {complaint}" for complaint in complaints]
        pong = pb.PongHealthMSOToSO(healthy=pb.UNHEALTHY if reasons else pb.HEALTHY, reasons=reasons)
        return pong.SerializeToString()

    def round(self) -> tuple[list[tuple[Simulation, Instance]], list[tuple[Simulation, Instance]]]:
        """Who is to be pinged now, and who has just been silent for too long."""
        pinged, silent = [], []
        for simulation, model in self._living():
            pinged.append((simulation, model))
            if model.unanswered == self._missed:
                silent.append((simulation, model))
            if model.unanswered is not None:
                model.unanswered += 1
        return pinged, silent

    def _living(self) -> Iterator[tuple[Simulation, Instance]]:
        for simulation in self._simulations.values():
            for model in simulation.living():
                yield simulation, model
