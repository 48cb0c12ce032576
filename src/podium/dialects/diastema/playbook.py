"""A playbook as the field writes it: jobs that name each other by their steps, both ways.

Steps and ids are numbers or text and mean the same: lower-cased text, which is also how they stand in paths. What can
be read is read, and every fault is told at once, with the job and the key it is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podium.dialects.diastema.titles import TITLES, Title
from podium.engines.flow.messages import LAST
from podium.errors import Fault
from podium.jobs.references import is_reference

TOP_KEYS = ("diastema-token", "analysis-id", "database-id", "jobs", "metadata")
NOWHERE = 0  # where a graph starts and ends
MOST_JOBS = 20_000
LONGEST_WORD = 1000  # bytes; such as a column, which stands in the results of jobs

_ORGANISATION = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_NAME_LENGTH = 150
_SPECIAL = frozenset("/[]#\\")  # of paths, and of the names of a graph's jobs


@dataclass(frozen=True, slots=True)
class Step:
    """One job.

    Args:
        place: where it stands, for people: `jobs[2] (step 3)`.
        name: its step.
        after, next: the steps it names, in its order; without the 0 of a start or an end.
        start: whether it is one by what it says.
        raw: as posted.
    """

    place: str
    name: str
    title: str
    after: tuple[str, ...]
    next: tuple[str, ...]
    start: bool
    raw: Mapping[str, Any]

    @property
    def kind(self) -> Title:
        return TITLES[self.title]

    def fault(self, key: str, what: str, hint: str | None = None) -> Fault:
        return Fault(f"{self.place}.{key}", what, hint)


@dataclass(slots=True)
class Playbook:
    """What could be read, and what is wrong with the rest."""

    organisation: str = ""
    analysis: str = ""
    steps: dict[str, Step] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def text(value: object) -> str:
    """How a value stands in an id, a column or a path."""
    return str(value).lower()


def read(given: Mapping[str, Any]) -> Playbook:
    """Each job by itself; how they hang together is `structure`'s."""
    book = Playbook()
    book.faults += [Fault(key, "is missing") for key in TOP_KEYS[1:] if key not in given]
    if "database-id" in given:
        book.organisation = _organisation(given["database-id"], book.faults)
    if "analysis-id" in given:
        book.analysis = _named("analysis-id", given["analysis-id"], book.faults)
    jobs = given.get("jobs", [{}])
    if not isinstance(jobs, list) or not jobs:
        book.faults.append(Fault("jobs", "must be a list of jobs" if jobs else "has no job"))
    elif len(jobs) > MOST_JOBS:
        book.faults.append(Fault("jobs", f"has more than {MOST_JOBS} jobs"))
    elif "jobs" in given:
        for index, raw in enumerate(jobs):
            _read_job(index, raw, book)
    return book


def refers(value: object) -> bool:
    """Whether there is anything in it that would be taken for a reference, and so give away what it names."""
    match value:
        case dict():
            return is_reference(value) or any(map(refers, value.values()))
        case list():
            return any(map(refers, value))
        case _:
            return False


def label(where: str, value: object, faults: list[Fault]) -> str:
    """A name that becomes part of a path."""
    return _named(where, value, faults)


def organisation(where: str, value: object, faults: list[Fault]) -> str:
    name = text(value)
    if not isinstance(value, str) or not _ORGANISATION.fullmatch(name):
        hint = "It names the bucket: 3 to 63 letters, digits and `-`"
        faults.append(Fault(where, f"{_shown(value)} cannot be the name of an organisation", hint))
    return name


def _organisation(value: object, faults: list[Fault]) -> str:
    return organisation("database-id", value, faults)


def _read_job(index: int, raw: object, book: Playbook) -> None:
    place = f"jobs[{index}]"
    if not isinstance(raw, dict):
        book.faults.append(Fault(place, "must be a mapping of keys to values"))
        return
    faults: list[Fault] = []
    missing = [key for key in ("id", "step", "from", "next", "title") if key not in raw]
    name = "" if "step" in missing else _named(f"{place}.step", raw["step"], faults)
    if name:
        place = f"{place} (step {name})"
    faults += [Fault(f"{place}.{key}", "is missing") for key in missing]
    if "id" in raw:
        _named(f"{place}.id", raw["id"], faults)
    if name == LAST:
        faults.append(Fault(f"{place}.step", f"{name!r} is kept for the end of the analysis", "Choose another step"))
    if name == text(NOWHERE):
        faults.append(Fault(f"{place}.step", "0 stands for the start and the end, not for a job"))
    title = raw.get("title")
    if "title" in raw and (not isinstance(title, str) or title not in TITLES):
        faults.append(
            Fault(f"{place}.title", f"there is no job called {_shown(title)}", f"Known are {_listed(TITLES)}")
        )
    after, start = _steps(f"{place}.from", raw.get("from", NOWHERE), faults)
    following, _ = _steps(f"{place}.next", raw.get("next", NOWHERE), faults)
    if isinstance(title, str) and title in TITLES:
        faults += _own_faults(place, title, raw)
    if refers(raw):
        faults.append(Fault(place, "$secret, $result and $item stand for other things here", "Choose other keys"))
    twice = book.steps.get(name)
    if twice is not None and name:
        faults.append(Fault(f"{place}.step", f"{twice.place.partition(' ')[0]} has it already", "Number each job once"))
    book.faults += faults
    if name and twice is None and isinstance(title, str) and title in TITLES:
        book.steps[name] = Step(place, name, title, after, following, start, raw)


def _own_faults(place: str, title: str, raw: Mapping[str, Any]) -> Iterator[Fault]:
    for key in TITLES[title].keys:
        if raw.get(key) is None:
            yield Fault(f"{place}.{key}", "is missing")
    words: list[Fault] = []
    if raw.get("label") is not None and title in ("dataset", "visualization"):
        name = _named(f"{place}.label", raw["label"], words)
        if title == "visualization" and not words and ("." in name or name.startswith("$")):
            words.append(Fault(f"{place}.label", "a `.` in it, or a `$` before it, cannot be kept in records"))
    yield from words
    for key in ("column", "join-type", "algorithm"):
        if len(str(raw.get(key)).encode()) > LONGEST_WORD:
            yield Fault(f"{place}.{key}", f"is longer than {LONGEST_WORD} bytes")
    for key in ("column", "join-type"):
        if raw.get(key) is not None and not isinstance(raw[key], str | int):
            yield Fault(f"{place}.{key}", "must be text")
    if title in ("classification", "regression", "clustering"):
        if not isinstance(raw.get("params") or {}, dict):
            yield Fault(f"{place}.params", "must be a mapping of keys to values")
        if not isinstance(raw.get("automl") or False, bool):
            yield Fault(f"{place}.automl", "must be true or false")
        if raw.get("algorithm") not in (None, False) and not isinstance(raw["algorithm"], str):
            yield Fault(f"{place}.algorithm", "must be text")


def _steps(where: str, value: object, faults: list[Fault]) -> tuple[tuple[str, ...], bool]:
    """The steps that are named, and whether it is nowhere."""
    named: Sequence[object] = value if isinstance(value, list) else [value]
    if not named:
        faults.append(Fault(where, "names no step", "0 stands for a start or an end"))
    found = [_named(where, one, faults) for one in named]
    steps = tuple(name for name in found if name and name != text(NOWHERE))
    return steps, not steps


def _named(where: str, value: object, faults: list[Fault]) -> str:
    """The lower-cased text of an id; empty, when it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        faults.append(Fault(where, "must be a number or text"))
        return ""
    name = text(value)
    if not name or name != name.strip() or not name.isprintable():
        faults.append(
            Fault(where, f"{_shown(value)} is no name: it is empty, or has what cannot be printed at its ends")
        )
    elif len(name.encode()) > _NAME_LENGTH:
        faults.append(Fault(where, f"is longer than {_NAME_LENGTH} bytes"))
    elif name in (".", "..") or not _SPECIAL.isdisjoint(name):
        faults.append(Fault(where, f"{_shown(value)} cannot be part of a path", "Leave out / [ ] # and \\"))
    else:
        return name
    return ""


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) < 60 else f"{shown[:56]}..."


def _listed(words: Mapping[str, object]) -> str:
    return ", ".join(words)
