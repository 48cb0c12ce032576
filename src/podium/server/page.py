"""The page: the list of runs, and one run. Plain HTML made here; a small module keeps it fresh."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cache, wraps
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from podium.engines.flow.progress import JobStanding, Progress
from podium.errors import NotAllowed, PodiumError
from podium.runs.events import Run, RunState
from podium.server import again, words
from podium.server.artifacts import keeper
from podium.server.parts import Parts
from podium.server.picture import MOST_JOBS, picture
from podium.server.problems import of_podium
from podium.server.story import Plan, Stories, Story, job_shown
from podium.stores.series import iso

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE = 50
LAST_LINES = 40

Shown = Callable[..., Awaitable[Response]]


@cache
def environment() -> Environment:
    """Made when somebody first looks: most who start Podium do not."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": _moment,
        "lasted": _lasted,
        "number": words.number,
        "duration": words.duration,
        "iso": iso,
    }
    made.globals |= {"states": list(RunState), "signs": words.SIGNS, "titled": words.titled}
    return made


def routes(parts: Parts, stories: Stories) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    def shown(template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(environment().get_template(template).render(values), status)

    def guarded(view: Shown) -> Shown:
        """Strangers see how to sign in, and whatever goes wrong is told in the page's own way."""

        @wraps(view)
        async def guarded_view(request: Request, *arguments: Any, **named: Any) -> Response:
            try:
                parts.auth.known(request)
                return await view(request, *arguments, **named)
            except NotAllowed:
                return shown("sign_in.html", 401)
            except PodiumError as error:
                return shown("problem.html", of_podium(error).status_code, error=error)

        return guarded_view

    @router.get("/")
    @guarded
    async def listing(
        request: Request,  # noqa: ARG001 - the guard's
        state: Annotated[RunState | None, Query()] = None,
        search: str = "",
        before: float | None = None,
    ) -> Response:
        position = parts.feed.newest
        found = await parts.journal.runs(state=state, search=search, before=before, limit=PAGE + 1)
        runs = found[:PAGE]
        told = {run.id: await stories.of(run) for run in runs if not run.state.ended}
        steps = {run.id: await stories.steps(run) for run in runs if run.state is RunState.SUCCEEDED}
        wanted = {"state": state.value if state else None, "search": search}
        earlier = {**wanted, "before": runs[-1].submitted} if len(found) > PAGE else None
        return shown(
            "runs.html",
            runs=runs,
            stories=told,
            steps=steps,
            state=state,
            search=search,
            first=before is None,
            earlier=urlencode({key: value for key, value in earlier.items() if value}) if earlier else None,
            position=position,
            faults={part: fault for part, fault in parts.health().items() if fault},
        )

    @router.get("/runs/{run}")
    @guarded
    async def one(request: Request, run: str) -> Response:  # noqa: ARG001
        found = await parts.journal.run(run)
        story = await stories.of(found)
        plan = await stories.plan(found) if story.graph else None
        names = islice(plan.jobs, MOST_JOBS) if plan else ()
        jobs = [job_shown(plan, story, name) for name in names] if plan else []
        jobs_left = max(0, len(plan.jobs) - MOST_JOBS) if plan else 0
        return shown(
            "run.html",
            run=found,
            story=story,
            plan=plan,
            jobs=jobs,
            jobs_left=jobs_left,
            picture=None if jobs_left else picture(jobs),
            failures=_failures(story, plan) if plan else [],
            waits=_waits(stories, found, story),
            ways=_ways(found, plan, story.graph) if plan and story.graph else [],
            keeps=keeper(parts, found) is not None,
            events=_events(story, plan),
            position=story.position,
            summary=await parts.series.summary(found.id),
            logs=await parts.logs(found.id, LAST_LINES),
        )

    @router.post("/runs/{run}/cancel")
    @guarded
    async def cancel(request: Request, run: str) -> Response:  # noqa: ARG001
        await parts.conducting.cancel(run)
        return RedirectResponse(f"/runs/{run}", 303)

    return router


def _moment(time: float | None) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S") if time is not None else ""


def _lasted(run: Run) -> str:
    if run.started is None:
        return ""
    if run.ended is None:
        return "…"
    return words.duration(run.ended - run.started)


def _failures(story: Story, plan: Plan) -> list[Mapping[str, Any]]:
    jobs = story.graph.jobs if story.graph else {}
    return [job_shown(plan, story, name) for name, job in jobs.items() if job.state is JobStanding.FAILED]


def _events(story: Story, plan: Plan | None) -> list[tuple[float, str]]:
    """In words, the newest first."""
    kinds = {name: job["kind"] for name, job in plan.jobs.items()} if plan else {}
    return [
        (one.time, words.describe(one.event.type, words.with_titles(one.event.data, kinds)))
        for one in reversed(story.notable)
    ]


def _waits(stories: Stories, run: Run, story: Story) -> str:
    waiting = stories.waiting(run)
    if story.progress is None or waiting is None:
        return ""
    return words.waits({**story.progress.as_json(), "waiting": waiting.as_json()})


def _ways(run: Run, plan: Plan, graph: Progress) -> list[tuple[str, str]]:
    """What can be typed to go on with what did not succeed, and what that means."""
    return [
        (shlex.join(again.words(run.id, how)), again.meaning(how))
        for how in again.ways(run, plan.jobs, graph, plan.variables)
    ]
