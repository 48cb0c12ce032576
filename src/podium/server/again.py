"""What can be done about a graph that did not succeed: ways to restart it, as the API takes them and a shell does."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from podium.engines.flow.messages import LAST
from podium.engines.flow.progress import JobStanding, Progress
from podium.runs.events import Json, Run, RunState
from podium.runs.secrets import redact_urls

# What a job works on, by kind of job; the rest of its call says how it is performed.
GIVEN = ("arguments", "column", "params", "body", "form", "env", "message", "publish", "with")
LONGEST = 60  # characters of a value that is proposed
PRIVATE = "(private)"
_DONE = (JobStanding.SUCCEEDED, JobStanding.REUSED)
_PLAIN = re.compile(r'[^."=]+')


def ways(
    run: Run, jobs: Mapping[str, Mapping[str, Any]], progress: Progress, kept: Collection[str]
) -> list[dict[str, Json]]:
    """None, as long as a run goes on, and when it succeeded."""
    return [] if not run.state.ended or run.state is RunState.SUCCEEDED else proposals(jobs, progress, kept)


def proposals(
    jobs: Mapping[str, Mapping[str, Any]], progress: Progress, kept: Collection[str] = ()
) -> list[dict[str, Json]]:
    """Bodies for a restart: of what did not succeed, then also of what came before, or with another value.

    Args:
        jobs: as the document has them.
        progress: of a run that has ended.
        kept: the secrets that are found again; all others were forgotten, and are to be given.
    """
    done = {name for name, job in progress.jobs.items() if job.state in _DONE}
    given = {name: edit for name, job in jobs.items() if name not in done and (edit := _private(job, kept))}
    if given:
        return [{"edit": given}]
    found: list[dict[str, Json]] = [{}]
    failed = next((name for name, job in progress.jobs.items() if job.state is JobStanding.FAILED), None)
    if failed is None:
        return found
    if (before := jobs[failed].get("after")) and failed != LAST:
        found.append({"from": [before[0]]})
    for path, value in _values(jobs[failed].get("call", {})):
        if _typed(failed, path, value) is not None:
            return [*found, {"edit": {failed: _nested(path, value)}}]
    return found


def _private(job: Mapping[str, Any], kept: Collection[str]) -> dict[str, Json]:
    """What is to be put in place of the forgotten secrets of a job."""
    edit: dict[str, Any] = {}
    for path in _secrets(job.get("call", {}), kept):
        place = edit
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = {"$private": "..."}
    return edit


def _secrets(value: Any, kept: Collection[str], *path: str) -> Iterator[tuple[str, ...]]:
    match value:
        case {"$secret": name}:
            if name not in kept:
                yield path
        case dict():
            for key, item in value.items():
                yield from _secrets(item, kept, *path, key)


def _nested(path: tuple[str, ...], value: Json) -> Json:
    for key in reversed(path):
        value = {key: value}
    return value


def words(run: str, how: Mapping[str, Any]) -> list[str]:
    """What is typed in a shell."""
    typed = ["podium", "restart", run]
    for name in how.get("from", ()):
        typed += ["--from", name]
    for job, edit in how.get("edit", {}).items():
        for path, value in _leaves(edit):
            if (change := _typed(job, path, value)) is not None:
                typed += ["--edit", change]
    return typed


def meaning(how: Mapping[str, Any]) -> str:
    if "$private" in str(how.get("edit")):
        return "what did not succeed; private values were forgotten, give them again"
    if how.get("edit"):
        return "with another value"
    return "from a job before it" if how.get("from") else "what did not succeed, and all behind it"


def call_shown(value: Any) -> Any:
    """A call without its secrets."""
    match value:
        case {"$secret": _}:
            return PRIVATE
        case dict():
            return {key: call_shown(item) for key, item in value.items()}
        case list():
            return [call_shown(item) for item in value]
        case str():
            return redact_urls(value)
    return value


def _values(call: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Json]]:
    for key in GIVEN:
        yield from ((path, value) for path, value in _leaves(call.get(key), key) if _is_simple(value))


def _leaves(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What is in it, but for references, which stand for other things."""
    if not isinstance(value, dict) or "$private" in value:
        yield path, value
    elif not any(key.startswith("$") for key in value):
        for key, item in value.items():
            yield from _leaves(item, *path, key)


def _is_simple(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST and value.isprintable() and redact_urls(value) == value
    return isinstance(value, bool | int | float)


def _typed(job: str, path: tuple[str, ...], value: Json) -> str | None:
    """`JOB.KEY=VALUE` as `podium restart --edit` reads it; None where it cannot be written so."""
    names = [name if _PLAIN.fullmatch(name) else f'"{name}"' for name in (job, *path)]
    if any('"' in name[1:-1] or name == '""' for name in names):
        return None
    return f"{'.'.join(names)}={_value(value)}"


def _value(value: Json) -> str:
    """Text as it is, unless it would be read as something else."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, ensure_ascii=False)
