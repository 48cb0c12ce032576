"""How this Podium fares: for a cluster's probes, for Prometheus, for the owner's own programs."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from prometheus_client import REGISTRY, CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from podium.runs.events import RunState
from podium.server.parts import Parts
from podium.server.problems import problem

LAG_SECONDS = 0.5


class Metrics:
    """What is counted about this process. Counters of other parts are in prometheus-client's own registry."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.registry = CollectorRegistry()
        self.durations = Histogram(
            "podium_http_seconds", "Time to answer a request.", ["method", "status"], registry=self.registry
        )
        self._runs = Gauge("podium_runs_active", "Runs that have not ended.", ["state"], registry=self.registry)
        self._ready = Gauge("podium_part_ready", "Whether a part works.", ["part"], registry=self.registry)
        self._dropped = Gauge(
            "podium_inputs_dropped",
            "Inputs that led to nothing since the start.",
            ["by", "reason"],
            registry=self.registry,
        )
        self._lag = Histogram(
            "podium_event_loop_lag_seconds",
            "How late the event loop is.",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        self._measuring: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._measuring = asyncio.create_task(self._measure(), name="event loop lag")

    def close(self) -> None:
        if self._measuring is not None:
            self._measuring.cancel()

    async def text(self) -> bytes:
        active = await self._parts.journal.unfinished()
        for state in RunState:
            if not state.ended:
                self._runs.labels(state.value).set(sum(run.state is state for run in active))
        for part, fault in self._parts.health().items():
            self._ready.labels(part).set(fault is None)
        for by, counts in self._parts.dropped().items():
            for reason, count in counts.items():
                self._dropped.labels(by, reason).set(count)
        return generate_latest(REGISTRY) + generate_latest(self.registry)

    async def _measure(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(LAG_SECONDS)
            self._lag.observe(max(0.0, time.perf_counter() - began - LAG_SECONDS))


def routes(parts: Parts, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process answers")
    async def healthz() -> dict[str, str | dict[str, str]]:
        faults = {part: fault for part, fault in parts.health().items() if fault is not None}
        return {"status": "ok", "faults": faults} if faults else {"status": "ok"}

    @router.get("/readyz", summary="Whether all parts work", response_model=dict[str, str])
    async def readyz() -> Response | dict[str, str]:
        faults = {part: fault for part, fault in parts.health().items() if fault is not None}
        if faults:
            detail = "; ".join(f"{part}: {fault}" for part, fault in faults.items())
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, parts=faults)
        return {"status": "ready"}

    @router.get("/metrics", summary="Counters and gauges, for Prometheus", response_class=Response)
    async def metrics_text(request: Request) -> Response:
        if not parts.metrics_open:
            parts.auth.known(request)
        return Response(await metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
