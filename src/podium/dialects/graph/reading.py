"""From a document to the run it asks for, or to everything that is wrong with it.

What a user writes is shorter than what the engine reads: one key of a job names its kind, and a job waits for those
whose results it takes without being told to.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from podium.dialects.graph import plain
from podium.dialects.graph.functions import GraphFunctions
from podium.dialects.vault import VARIABLES, Vault
from podium.engines.flow.document import FlowDocument
from podium.engines.flow.graph import check_graph
from podium.engines.flow.messages import LAST
from podium.errors import DocumentRefused, Fault
from podium.faults import in_order, instead, nearest, place, refuse, worded
from podium.jobs.performer import FlowPerformer
from podium.jobs.port import JobKind, looked_through
from podium.jobs.references import results_named
from podium.runs.events import Submission

KIND = "graph.run"
PYTHON = "python"
KEYS = ("name", "jobs", "limit", "services", "on_failure", "last")
OF_JOB = ("after", "each", "service", "retry", "timeout")
NAME_LENGTH, ID_LENGTH = 200, 40


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads documents.

    Args:
        kinds: of jobs, by the key that names them.
        functions: the kind `python` among them.
        clock: gives Unix seconds.
    """

    kinds: Mapping[str, JobKind]
    functions: GraphFunctions
    clock: Callable[[], float]

    def read(self, content: bytes, filename: str = "") -> Submission:
        """The run that `content` asks for. Raises: DocumentRefused, with every fault.

        With `filename`, functions are taken from the directory of that file, and variables from the environment: only
        for files of this user.
        """
        given = plain.read(content, filename)
        name = given.get("name", Path(filename).stem or "graph")
        id_ = _id(name)
        vault = Vault(id_, os.environ if filename else None)
        draft = _Draft(self.kinds, vault)
        draft.take(given)
        flow = _validated(draft)
        directory = _own(Path(filename).parent) if filename else None
        draft.faults += vault.faults
        if flow is not None:
            draft.faults += check_graph(flow)
            draft.faults += self._refused(flow, draft, directory)
        refuse(in_order(draft.faults, given))
        assert flow is not None  # else there was a fault  # noqa: S101
        document = {
            "flow": flow.model_dump(mode="json", exclude_defaults=True),
            "graph": {} if directory is None else {"directory": str(directory)},
            VARIABLES: vault.variables,
        }
        return Submission(id=id_, kind=KIND, name=name, document=document, secrets=vault.secrets)

    def check(self, document: Mapping[str, Any]) -> None:
        """Look at a document that was made from an accepted one. Raises: DocumentRefused."""
        flow = FlowDocument.model_validate(document["flow"])
        directory = document["graph"].get("directory")
        kind_of = {name: job.kind for name, job in flow.jobs.items()} | ({LAST: flow.last.kind} if flow.last else {})
        found = self._faults(flow, Path(directory) if directory else None)
        places = ("".join(_where_called(fault.where, kind_of)[1:]) for fault in found)
        refuse([Fault(where, fault.what, fault.hint) for where, fault in zip(places, found, strict=True)])

    def _faults(self, flow: FlowDocument, directory: Path | None) -> list[Fault]:
        """What the kinds of the jobs have against them."""
        return FlowPerformer({**self.kinds, PYTHON: self.functions.beside(directory)}, self.clock).faults(flow)

    def _refused(self, flow: FlowDocument, draft: _Draft, directory: Path | None) -> Iterator[Fault]:
        for fault in self._faults(flow, directory):
            name, call, key = _where_called(fault.where, draft.kind_of)
            if name not in draft.doubtful:
                yield Fault(f"{call}{key}", fault.what, fault.hint)


@dataclass(slots=True)
class _Draft:
    """A document on its way to the engine's: what it says, and what is wrong with that.

    Args:
        flow: what the engine is to read.
        kind_of: the kind of each job, `last` among them.
        doubtful: jobs of which a fault is known that other checks would find again.
    """

    kinds: Mapping[str, JobKind]
    vault: Vault
    flow: dict[str, Any] = field(default_factory=dict)
    kind_of: dict[str, str] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def take(self, given: Mapping[str, Any]) -> None:
        self.faults += _strange("", given, KEYS)
        name = given.get("name", "")
        if not isinstance(name, str) or not name.isprintable() or len(name) > NAME_LENGTH:
            self._fault("name", f"must be a line of text of at most {NAME_LENGTH} characters")
        self.flow = {key: given[key] for key in ("limit", "services", "on_failure") if key in given}
        jobs = given.get("jobs")
        if not isinstance(jobs, dict) or not jobs:
            self._fault("jobs", "must be a mapping of names to jobs" if "jobs" in given else "is missing")
            jobs = {}
        self.flow["jobs"] = {name: self._job(f"jobs.{name}", name, job, jobs) for name, job in jobs.items()}
        if given.get("last") is not None:
            self.flow["last"] = self._job(LAST, LAST, given["last"], jobs)

    def _job(self, where: str, name: str, given: Any, jobs: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(given, dict):
            self._fault(where, "must be a mapping of keys to values", doubtful=name)
            given = {}
        kind = self.kind_of[name] = self._kind(where, name, given) if given or name not in self.doubtful else ""
        call = given.get(kind)
        if kind and not isinstance(call, dict):
            self._fault(f"{where}.{kind}", "must be a mapping of keys to values", doubtful=name)
            call = {}
        job = {key: given[key] for key in OF_JOB if key in given}
        after, each = self._before(where, job, jobs)
        open_ = looked_through(self.kinds.get(kind), call or {})
        after += [one for one in self._taken(f"{where}.{kind}", name, open_, jobs) if one not in after]
        call = self.vault.put_away(call or {}, *where.split(".", 1), kind)
        if name != LAST and _takes_outcome(open_):
            self._fault(f"{where}.{kind}", "the outcome is told to the last job alone")
        return {**job, "kind": kind, "call": call, "after": after, "each": each}

    def _kind(self, where: str, name: str, given: Mapping[str, Any]) -> str:
        named = [key for key in given if key in self.kinds]
        strange = list(_strange(f"{where}.", given, (*OF_JOB, *self.kinds)))
        self.faults += strange
        if len(named) == 1:
            return named[0]
        known = f"Give it one of: {', '.join(sorted(self.kinds))}"
        if named:
            self._fault(where, f"has {len(named)} kinds: {', '.join(named)}", known)
        elif not strange:
            self._fault(where, "does not say what to do", known)
        self.doubtful.add(name)
        return named[0] if named else ""

    def _before(self, where: str, job: dict[str, Any], jobs: Mapping[str, Any]) -> tuple[list[Any], str | None]:
        """The jobs this one is told to wait for, without those that are none; and the one whose items it is for."""
        given, each = job.get("after", []), job.get("each")
        after = [given] if isinstance(given, str) else given
        if not isinstance(after, list) or not all(isinstance(one, str) for one in after):
            self._fault(f"{where}.after", "must be a list of names of jobs")
            after = []
        self._unknown(f"{where}.after", after, jobs)
        after = [one for one in after if one in jobs]
        if each is None:
            return after, None
        if not isinstance(each, str):
            self._fault(f"{where}.each", "must be the name of a job")
        else:
            self._unknown(f"{where}.each", [each], jobs)
            if each in jobs:
                return [*after, each] if each not in after else after, each
        return after, None

    def _taken(self, where: str, name: str, call: Any, jobs: Mapping[str, Any]) -> list[str]:
        """The jobs whose results a call takes."""
        try:
            taken = list(dict.fromkeys(results_named(call)))
        except DocumentRefused:
            return []  # its kind says so
        if self._unknown(where, taken, jobs):
            self.doubtful.add(name)
        return [one for one in taken if one in jobs]

    def _unknown(self, where: str, names: Iterable[str], jobs: Mapping[str, Any]) -> bool:
        unknown = [one for one in dict.fromkeys(names) if one not in jobs]
        for one in unknown:
            self._fault(where, f"there is no job {one!r}", nearest(one, jobs))
        return bool(unknown)

    def _fault(self, where: str, what: str, hint: str | None = None, *, doubtful: str | None = None) -> None:
        self.faults.append(Fault(where, what, hint))
        if doubtful is not None:
            self.doubtful.add(doubtful)


def _where_called(where: str, kind_of: Mapping[str, str]) -> tuple[str, str, str]:
    """For a place in the engine's document: the job, its key that names the kind, and what is behind that."""
    for end in (".call", ".kind"):
        head, found, key = where.partition(end)
        name = head.removeprefix("jobs.")
        if found and name in kind_of:
            return name, f"{head}.{kind_of[name]}", key
    return "", where, ""


def _validated(draft: _Draft) -> FlowDocument | None:
    """The engine's document without what is wrong in itself, so that the rest can be looked at all the same."""
    for _ in range(2):
        if not draft.flow["jobs"]:
            return None
        try:
            return FlowDocument.model_validate(draft.flow)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                keys = fault["loc"]
                draft.faults.append(Fault(place(keys), worded(fault)))
                depth = 1 if keys[0] not in ("jobs", LAST) else 2 if keys[0] == LAST else 3
                _remove(draft.flow, keys[:depth])
    return None


def _remove(given: dict[str, Any], keys: tuple[int | str, ...]) -> None:
    *path, last = keys
    for key in path:
        given = given[key]  # type: ignore[index]
    given.pop(last, None)  # type: ignore[arg-type]


def _takes_outcome(call: Any) -> bool:
    match call:
        case {"$outcome": _}:
            return True
        case dict():
            return any(map(_takes_outcome, call.values()))
        case list():
            return any(map(_takes_outcome, call))
    return False


def _own(directory: Path) -> Path | None:
    """The directory, unless others can put their functions there."""
    try:
        status = directory.stat()
    except OSError:
        return None
    return None if status.st_mode & stat.S_IWOTH or status.st_uid not in (os.getuid(), 0) else directory


def _strange(where: str, given: Mapping[str, Any], known: Iterable[str]) -> Iterator[Fault]:
    known = list(known)
    for key in given:
        if key not in known:
            yield Fault(f"{where}{key}", "there is no such key", instead(key, known))


def _id(name: object) -> str:
    shown = re.sub(r"[^a-z0-9]+", "-", str(name).lower())[:ID_LENGTH].strip("-") or "graph"
    return f"{shown}-{secrets.token_hex(4)}"
