"""The web application: what answers where, and who is let in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from podium import __version__
from podium.errors import NotFound
from podium.jobs.port import RESULT_BYTES
from podium.server import artifacts, flows, health, live, page, problems, reference, registry, runs, session
from podium.server.answers import AsciiJson
from podium.server.doorway import Doorway
from podium.server.parts import Parts
from podium.server.story import Stories

API = "/api/v1"
LARGEST_PARSED = 2**20  # of bodies that are taken apart on the event loop; documents are not


class App:
    """The ASGI application of some parts, from `start` to `close`."""

    def __init__(self, parts: Parts) -> None:
        self._metrics = health.Metrics(parts)
        self.asgi = Doorway(_fastapi(parts, self._metrics), known=parts.known_hosts, durations=self._metrics.durations)

    def start(self) -> None:
        self._metrics.start()

    def close(self) -> None:
        self._metrics.close()


def role(name: str, stop: Callable[[bool], None]) -> FastAPI:
    """For a part of Podium that lives alone: it can be found and told to end, and conducts no runs."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app)
    app.include_router(session.owner_routes(stop), prefix=API)

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def elsewhere() -> None:
        raise NotFound(f"only {name} lives here", hint="Ask the Podium that conducts the runs")

    return app


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
    stories = Stories(parts.journal, parts.conductor)
    app.include_router(health.routes(parts, metrics))
    app.include_router(session.routes(parts), prefix=API, max_body_size=LARGEST_PARSED)
    app.include_router(session.owner_routes(parts.stop, parts.link), prefix=API)
    for router in (runs.routes(parts, stories), artifacts.routes(parts, stories), live.routes(parts)):
        app.include_router(router, prefix=API, dependencies=known)
    for router in (flows.routes(parts, stories), registry.routes(parts)):
        app.include_router(
            router, prefix=API, dependencies=known, max_body_size=LARGEST_PARSED, default_response_class=AsciiJson
        )
    app.include_router(flows.open_routes(parts), prefix=API, max_body_size=RESULT_BYTES)
    for dialect in parts.dialects:
        app.include_router(dialect.routes(guard))
    for router in parts.routers:
        app.include_router(router, include_in_schema=False)
    app.include_router(page.routes(parts, stories))
    app.include_router(reference.routes(app))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return app
