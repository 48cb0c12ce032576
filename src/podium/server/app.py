"""The web application: what answers where, and who is let in."""

from __future__ import annotations

from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from podium import __version__
from podium.server import health, live, page, problems, reference, registry, runs, session
from podium.server.doorway import Doorway
from podium.server.parts import Parts
from podium.server.story import Stories

API = "/api/v1"


class App:
    """The ASGI application of some parts, from `start` to `close`."""

    def __init__(self, parts: Parts) -> None:
        self._metrics = health.Metrics(parts)
        self.asgi = Doorway(_fastapi(parts, self._metrics), known=parts.known_hosts, durations=self._metrics.durations)

    def start(self) -> None:
        self._metrics.start()

    def close(self) -> None:
        self._metrics.close()


def _fastapi(parts: Parts, metrics: health.Metrics) -> FastAPI:
    app = FastAPI(
        title="Podium",
        version=__version__,
        description="Runs models together.",
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    guard = parts.auth.guard
    known = [Depends(guard)]
    stories = Stories(parts.journal)
    app.include_router(health.routes(parts, metrics))
    app.include_router(session.routes(parts), prefix=API)
    for router in (runs.routes(parts, stories), live.routes(parts), registry.routes(parts)):
        app.include_router(router, prefix=API, dependencies=known)
    for dialect in parts.dialects:
        app.include_router(dialect.routes(guard))
    for router in parts.routers:
        app.include_router(router, include_in_schema=False)
    app.include_router(page.routes(parts, stories))
    app.include_router(reference.routes(app))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return app
