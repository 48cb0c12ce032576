"""Shows a graph of jobs as it goes: on a terminal the jobs themselves, layer by layer; elsewhere a line for each event.

A graph with more jobs than a screen has lines is shown as counts, with those under way and those that failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from podium.cli.following import Show
from podium.cli.screen import err, escape
from podium.engines.flow.progress import Counts, JobProgress, JobStanding, Progress, fold
from podium.errors import Conflict
from podium.runs.events import Event, Recorded
from podium.server.picture import layers
from podium.server.words import SIGNS, describe, duration, with_titles

if TYPE_CHECKING:
    from podium.cli.client import Client

MOST_LINES = 60  # a graph of more jobs is told as counts
MOST_TOLD = 200  # jobs of which each event is a line, where there is no terminal
NOTABLE = 12
PAGE = 1000
TENTH = 0.1
QUIET = {"run.running", "run.ending", "run.succeeded", "run.failed", "run.cancelled", "jobs.begun"}
LOUD = {"job.failed", "jobs.skipped", "run.paused", "run.resumed", "run.restored", "run.started", "jobs.reused"}

STYLES = {
    "waiting": "bright_black",
    "running": "blue",
    "retrying": "yellow",
    "succeeded": "green",
    "reused": "green",
    "failed": "red",
    "skipped": "bright_black",
    "cancelled": "yellow",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs of a graph, in layers: each job behind all that it waits for. No layers where there are too many.

    `kinds` are those of the jobs, as far as they are known.
    """

    total: int
    layers: Sequence[Sequence[str]]
    kinds: Mapping[str, str]


async def plan_of(client: Client, run: str) -> Plan | None:
    """None, when it is no graph."""
    try:
        found = await client.json(f"/api/v1/runs/{run}/jobs", limit=PAGE)
    except Conflict:
        return None
    kinds = {job["job"]: job["kind"] for job in found["jobs"]}
    return Plan(found["total"], [] if found["total"] > MOST_LINES else layers(found["jobs"]), kinds)


@contextmanager
def graph_progress(run: Mapping[str, Any], plan: Plan) -> Iterator[Show]:
    """Gives what shows an event."""
    console = err()
    came = f"  [bright_black]again, after {run['restarted']['from']}[/]" if "restarted" in run else ""
    console.print(f"[bold]{escape(run['name'])}[/]  [bright_black]{run['id']}[/]{came}")
    picture = _Picture(plan)
    if console.is_terminal:
        with Live(console=console, get_renderable=picture.drawn, refresh_per_second=8, transient=True):
            yield picture.take
    else:
        yield picture.tell


class _Picture:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._progress = Progress()
        self._told = 0.0

    def take(self, event: Mapping[str, Any]) -> None:
        what = Event(event["type"], event["data"], event["schema"])
        fold((Recorded(event["position"], event["run"], event["seq"], event["time"], what),), self._progress)

    def tell(self, event: Mapping[str, Any]) -> None:
        """For a file or a pipe: what happens to a few jobs, or how many of many are over."""
        self.take(event)
        type_ = event["type"]
        counts = self._progress.counts
        many = max(self._plan.total, counts.total) > MOST_TOLD
        if type_ in LOUD if many else type_ not in QUIET:
            err().print(describe(type_, with_titles(event["data"], self._plan.kinds)), markup=False)
        share = counts.over / counts.total if counts.total else 0.0
        if many and share > self._told and (share == 1.0 or share >= self._told + TENTH):
            self._told = share
            err().print(_counted(counts))

    def drawn(self) -> Group:
        now, progress = time.time(), self._progress
        head = _counted(progress.counts)
        if progress.paused:
            head.append("  paused", "yellow")
        if not self._plan.layers:
            jobs = [(name, job) for name, job in progress.jobs.items() if job.state.notable]
            shown = sorted(jobs, key=lambda one: one[1].state is not JobStanding.FAILED)[:NOTABLE]
            more = Text(f"and {len(jobs) - NOTABLE} more", "bright_black") if len(jobs) > NOTABLE else Text()
            return Group(self._table([("", name, job) for name, job in shown], now), more, head)
        rows = []
        for number, layer in enumerate(self._plan.layers, 1):
            rows += [(str(number) if name == layer[0] else "", name, progress.jobs.get(name)) for name in layer]
        return Group(self._table(rows, now), head)

    def _table(self, rows: Sequence[tuple[str, str, JobProgress | None]], now: float) -> Table:
        table = Table.grid(padding=(0, 1))
        for _ in range(5):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for number, name, job in rows:
            state = job.state.value if job else "waiting"
            kind = Text(self._plan.kinds.get(name, "").rpartition(".")[2], "bright_black")
            number_shown = Text(number, "bright_black")
            table.add_row(
                number_shown, Text(SIGNS[state], STYLES[state]), Text(name), kind, _took(job, now), _said(job, now)
            )
        return table


def _took(job: JobProgress | None, now: float) -> Text:
    if job is None or job.started is None:
        return Text()
    return Text(duration(max(0.0, (job.ended or now) - job.started)), "bright_black")


def _said(job: JobProgress | None, now: float) -> Text:
    if job is None:
        return Text()
    said = []
    if job.items is not None:
        said.append(f"{job.done + job.failed} of {job.items}")
    if job.attempt > 1:
        said.append(f"attempt {job.attempt}")
    if job.retry_at is not None:
        said.append(f"again in {duration(max(0.0, job.retry_at - now))}")
    if job.reason and job.state in (JobStanding.FAILED, JobStanding.RETRYING):
        said.append(job.reason.splitlines()[0])
    return Text(", ".join(said), "red" if job.state is JobStanding.FAILED else "bright_black")


def _counted(counts: Counts) -> Text:
    return Text(f"{counts.over} of {counts.total} jobs: {counted(counts.as_json())}" if counts.total else "")


def counted(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{counts[state]} {state}" for state in SIGNS if counts[state])
