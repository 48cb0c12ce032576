"""Events in words, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from podium.engines.flow import nodes

Data = Mapping[str, Any]
NAMED = 5
LONG = 3.0  # seconds that models are waited for before that is told
_TO: Mapping[str, str] = {
    "deploying": "to be ready",
    "parameterizing": "to take parameters",
    "finishing": "to end",
    "removing": "to end by force",
}

# How a job stands, where there is little room, or no colour.
SIGNS: Mapping[str, str] = {
    "waiting": "·",
    "running": "▶",
    "retrying": "↻",
    "succeeded": "✓",
    "reused": "=",
    "failed": "✗",
    "skipped": "-",
    "cancelled": "-",
}


def describe(type_: str, data: Data) -> str:
    """One line about an event. An event nobody gave words to is named as the journal has it."""
    worded = _WORDS.get(type_)
    return worded(data) if worded else type_.replace(".", ": ")


def titled(node: str, kind: str) -> str:
    """A job by its name and, where its dialect has kinds of job of its own, by what it is: `3 cleaning`."""
    dialect, _, title = kind.rpartition(".")
    return f"{node} {title}" if dialect else node


def with_titles(data: Data, kinds: Mapping[str, str]) -> Data:
    """What an event says, with the titles of its jobs beside their names; `kinds` are those that are known."""

    def title(node: str) -> str:
        return titled(node, kinds.get(nodes.split(node)[0], ""))

    named: dict[str, Any] = {key: title(data[key]) for key in ("job", "because") if key in data}
    if isinstance(data.get("jobs"), list):
        named["jobs"] = [title(node) for node in data["jobs"]]
    if "attempts" in data:
        named["attempts"] = [(title(node), attempt) for node, attempt in data["attempts"]]
    return {**data, **named}


def waits(progress: Data, after: float = LONG) -> str:
    """Whom a simulation waits for; empty, when that is not for long, or for nobody."""
    waiting = progress.get("waiting")
    if waiting is None or waiting["seconds"] < after:
        return ""
    more = f" and {waiting['count'] - NAMED} more" if waiting["count"] > NAMED else ""
    step = _TO.get(progress["phase"], f"in step {progress['step']}")
    return f"{', '.join(waiting['models'][:NAMED])}{more} {step} for {duration(waiting['seconds'])}"


def number(value: object) -> str:
    """Four digits of it, more where it has more before the point."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def size(count: int) -> str:
    """Of so many bytes."""
    shown, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if shown < 1000:
            break
        shown, unit = shown / 1000, larger
    return f"{count} B" if unit == "B" else f"{shown:.1f} {unit}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return f"{', '.join(names[:NAMED])}{f' and {more} more' if more > 0 else ''}"


def _job_succeeded(data: Data) -> str:
    return f"job {data['job']} succeeded{_attempt(data)}"


def _job_failed(data: Data) -> str:
    again = f"; again in {duration(data['retry_at'] - data['at'])}" if "retry_at" in data else ""
    return f"job {data['job']} failed{_attempt(data)}: {data['reason']}{again}"


def _attempt(data: Data) -> str:
    return f" (attempt {data['attempt']})" if data.get("attempt", 1) > 1 else ""


def _started(data: Data) -> str:
    if "jobs" in data:
        return f"started: {_counted(data['jobs'], 'job')}"
    if "steps" not in data:
        return "started"
    return f"started: {_counted(data['models'], 'model')}, {_counted(data['steps'], 'step')}"


def _parameterized(data: Data) -> str:
    clashes = ", ".join(
        f"{measurement} {name} ({one} and {other})" for measurement, name, one, other in data.get("clashes", ())
    )
    return f"models have taken their parameters{f'; they do not agree on the unit of {clashes}' if clashes else ''}"


def _resumed(data: Data) -> str:
    return f"resumed: Podium was away for {duration(data['down'])}" if "down" in data else "resumed after the pause"


def _reason(data: Data) -> str:
    error = data.get("error") or {}
    return f": {error['reason']}" if "reason" in error else ""


_WORDS: Mapping[str, Callable[[Data], str]] = {
    "command.failed": lambda data: f"could not be sent, will be tried again: {data.get('reason')}",
    "command.repeated": lambda data: f"asked again: {', '.join(data.get('models', ()))}",
    "job.expanded": lambda data: f"job {data['job']} is performed for {_counted(data['items'], 'item')}",
    "job.failed": _job_failed,
    "job.succeeded": _job_succeeded,
    "jobs.begun": lambda data: f"began {_names([node for node, _ in data['attempts']])}",
    "jobs.reused": lambda data: f"taken from the run before: {_names(data['jobs'])}",
    "jobs.skipped": lambda data: f"without {data['because']} there is no {_names(data['jobs'])}",
    "link.down": lambda _: "the link to the broker is down",
    "link.lost": lambda _: "the link to the broker was lost and is back",
    "model.ended": lambda data: f"model {data.get('model')} has ended",
    "model.failed": lambda data: f"failed{_reason(data)}",
    "model.lost": lambda data: f"goes on without model {data.get('model')}: {data.get('reason')}",
    "models.deployed": lambda _: "models deployed",
    "models.parameterized": _parameterized,
    "models.ready": lambda _: "models ready",
    "run.cancelled": lambda data: f"cancelled{_reason(data)}",
    "run.ending": lambda data: f"ending{_reason(data)}",
    "run.failed": lambda data: f"failed{_reason(data)}",
    "run.paused": lambda _: "paused: nothing more is begun",
    "run.removing": lambda data: f"ending by force: {', '.join(data.get('models', ()))}",
    "run.restored": _resumed,
    "run.resumed": _resumed,
    "run.running": lambda _: "running",
    "run.started": _started,
    "run.submitted": lambda _: "submitted",
    "run.succeeded": lambda _: "succeeded",
    "step.finished": lambda data: f"step {data.get('step')} finished",
    "step.repeated": lambda data: f"step {data.get('step')} repeated: {', '.join(data.get('models', ()))}",
}
