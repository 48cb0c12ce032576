"""Carries out what the flow machine decides: gives each attempt to its kind, and tells how it went."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from podium.engines.flow.document import FlowDocument, JobDocument
from podium.engines.flow.messages import Attempt
from podium.errors import DocumentRefused, Fault, PodiumError, Unavailable
from podium.faults import refuse
from podium.jobs.port import RESULT_BYTES, ChecksOneOfMany, Job, JobFailed, JobKind, KeepsForRuns, looked_through
from podium.jobs.references import resolved, results_named
from podium.runs.events import Json
from podium.runs.machine import Command, Input, Performed, PerformFailed, Recovery
from podium.runs.secrets import redact_urls

RESULT_LEVELS = 100  # far fewer than what reads and writes JSON can stand
REASON_CHARACTERS = 8_000


class FlowPerformer:
    """Performs the jobs of graphs.

    Args:
        kinds: by the name that documents use.
        clock: gives Unix seconds.
        resolve: puts the values of secrets in place of their names.
        note: keeps a line in the log of a job: run, job, line.
        redact: takes secrets out of what people are shown.
    """

    def __init__(
        self,
        kinds: Mapping[str, JobKind],
        clock: Callable[[], float],
        *,
        resolve: Callable[[Any], Any] = lambda value: value,
        note: Callable[[str, str, str], None] = lambda _run, _node, _line: None,
        redact: Callable[[str], str] = redact_urls,
    ) -> None:
        self._kinds = kinds
        self._clock = clock
        self._resolve = resolve
        self._note = note
        self._redact = redact

    def check(self, flow: FlowDocument) -> None:
        """Raises: DocumentRefused, naming each fault by job and key."""
        refuse(self.faults(flow))

    def faults(self, flow: FlowDocument) -> list[Fault]:
        faults = [fault for name, job in flow.jobs.items() for fault in self._faults(f"jobs.{name}", job)]
        return faults if flow.last is None else [*faults, *self._faults("last", flow.last)]

    async def perform(self, run: str, document: Mapping[str, Any], command: Command) -> Input | None:
        if not isinstance(command, Attempt):
            raise TypeError(f"not a command of job graphs: {command!r}")
        try:
            kind = self._kind(command.kind)
            result = _kept(await kind.perform(self._job(kind, run, document, command)))
        except JobFailed as error:
            return self._failed(command, error.reason, transient=not error.final)
        except PodiumError as error:
            return self._failed(command, str(error), transient=isinstance(error, Unavailable))
        return Performed(self._clock(), command.key, result)

    async def recover(self, run: str, document: Mapping[str, Any]) -> Recovery:  # noqa: ARG002
        """Nothing is known beforehand: each attempt is asked for again, and its kind looks whether it is under way."""
        return Recovery()

    async def released(self, run: str) -> None:
        for kind in self._kinds.values():
            if isinstance(kind, KeepsForRuns):
                await kind.released(run)

    def _job(self, kind: JobKind, run: str, document: Mapping[str, Any], attempt: Attempt) -> Job:
        def note(line: str) -> None:
            self._note(run, attempt.node, self._shown(line))

        call = self._resolve(dict(attempt.call))
        open_ = resolved(looked_through(kind, call), attempt.inputs, attempt.item, attempt.outcome)
        return Job(
            run=run,
            node=attempt.node,
            attempt=attempt.attempt,
            call={**call, **open_},
            inputs=attempt.inputs,
            item=attempt.item,
            outcome=attempt.outcome,
            again=attempt.again,
            document=document,
            note=note,
        )

    def _failed(self, attempt: Attempt, reason: str, *, transient: bool) -> PerformFailed:
        shown = self._shown(reason)
        if len(shown) > REASON_CHARACTERS:
            shown = f"{shown[:REASON_CHARACTERS]} ..."
        return PerformFailed(self._clock(), attempt.key, shown, transient=transient)

    def _shown(self, text: str) -> str:
        """What can be sent to anybody: half a character, of a file's name perhaps, stands there as its escape."""
        return self._redact(text).encode(errors="backslashreplace").decode()

    def _kind(self, name: str) -> JobKind:
        kind = self._kinds.get(name)
        if kind is None:
            known = ", ".join(sorted(self._kinds))
            raise DocumentRefused(f"there is no kind of job called {name!r}", hint=f"Known are: {known}")
        return kind

    def _faults(self, where: str, job: JobDocument) -> Iterable[Fault]:
        try:
            kind = self._kind(job.kind)
        except DocumentRefused as error:
            yield Fault(f"{where}.kind", error.problem, error.hint)
            return
        try:
            named = set(results_named(looked_through(kind, job.call)))
            if job.each is not None and isinstance(kind, ChecksOneOfMany):
                kind.check_one_of_many(job.call)
            else:
                kind.check(job.call)
        except DocumentRefused as error:
            for fault in error.faults or (Fault(error.where or "", error.problem, error.hint),):
                key = f".{fault.where}" if fault.where else ""
                yield Fault(f"{where}.call{key}", fault.what, fault.hint)
            return
        for name in sorted(named - {*job.after} | named & {job.each}):
            hint = 'Take its items, with {"$item": ""}' if name == job.each else f"Add {name!r} to its `after`"
            yield Fault(f"{where}.call", f"the result of {name!r} is not there for this job", hint)


def _kept(result: Json) -> Json:
    """The result as it will be read again. The job has done its work by then, and would do it no better again.

    Raises: JobFailed.
    """
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"it is done, but its result of type {type(result).__name__} is not JSON: {error}"
        raise JobFailed(f"{problem}. Its kind must return numbers, text, lists and dicts", final=True) from None
    if len(text) > RESULT_BYTES:
        problem = f"it is done, but its result has {len(text)} bytes, and {RESULT_BYTES} may be"
        raise JobFailed(f"{problem}. Put data into the artifacts and return where it is", final=True)
    if not _within(result, RESULT_LEVELS):
        raise JobFailed(f"it is done, but its result has more than {RESULT_LEVELS} levels", final=True)
    kept: Json = json.loads(text)
    half = _half_a_character(kept) if "\\ud" in text else None
    if half is not None:
        problem = f"it is done, but its result has half a character, {half}"
        raise JobFailed(f"{problem}. A name of a file that is not UTF-8 has such", final=True)
    return kept


def _half_a_character(result: Json) -> str | None:
    """The first one as its escape. Nobody could be sent it."""
    try:
        json.dumps(result, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return ascii(error.object[error.start])[1:-1]
    return None


def _within(result: Json, levels: int) -> bool:
    here = [result]
    for _ in range(levels):
        here = [value for each in here for value in _inside(each) if isinstance(value, dict | list)]
    return not here


def _inside(value: Json) -> Iterable[Json]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
