"""What the platform's own validator looks at before a playbook is run: more than must hold for it to be run.

The rules stand in the platform's order. What builds on a graph that hangs together is looked at only if it does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podium.dialects.diastema import structure
from podium.dialects.diastema.playbook import Playbook, Step, read, text
from podium.dialects.diastema.titles import ENDS, STARTS
from podium.errors import Fault

Features = Callable[[str, str], Awaitable[Collection[str] | None]]
"""The columns of a dataset, by organisation and label as posted; None, when nothing is known of it."""

PREDICTION, RESULT = "prediction", "result"
_MODELS = ("classification", "regression", "clustering")
_WANT_CLEANED = (*_MODELS, "visualization", "function")


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Args:
        faults: why the platform would not have it, in its order; some could be run all the same.
        advice: what could be better.
    """

    faults: tuple[Fault, ...] = ()
    advice: tuple[Fault, ...] = ()


async def check(given: Mapping[str, Any], features: Features) -> Verdict:
    """Look at a playbook, its token aside."""
    book = read(given)
    ends, hanging = [*_starts(book), *_ends(book)], structure.hanging(book)
    if book.faults or hanging:
        return Verdict((*book.faults, *ends, *hanging))
    faults, advice = await _columns(book, str(given["database-id"]), features)
    uncleaned, too_clean = _cleaning(book)
    return Verdict((*ends, *faults, *uncleaned), (*advice, *too_clean))


def _starts(book: Playbook) -> Iterator[Fault]:
    starts = [step for step in book.steps.values() if step.start]
    if book.steps and not starts:
        yield Fault("jobs", "there is no start", "One job at least has `from` 0")
    for step in starts:
        if step.title not in STARTS:
            yield step.fault("title", f"a {step.title} cannot be a start", f"Starts are: {', '.join(STARTS)}")


def _ends(book: Playbook) -> Iterator[Fault]:
    ends = [step for step in book.steps.values() if not step.next]
    if book.steps and not ends:
        yield Fault("jobs", "there is no end", "One job at least has `next` [0]")
    for step in ends:
        if step.title not in ENDS:
            yield step.fault("title", f"a {step.title} cannot be an end", f"Ends are: {', '.join(ENDS)}")


async def _columns(book: Playbook, organisation: str, features: Features) -> tuple[list[Fault], list[Fault]]:
    """Columns that are not there, and datasets whose columns nobody knows."""
    faults: list[Fault] = []
    unknown: list[Fault] = []
    known: dict[str, frozenset[str] | None] = {}
    for step in structure.in_order(book):
        if step.title == "dataset":
            found = await features(organisation, str(step.raw["label"]))
            known[step.name] = None if found is None else frozenset(map(text, found))
            if found is None:
                hint = "Ingest it, and they can be"
                unknown.append(
                    step.fault("label", "nothing is known of this dataset: its columns were not checked", hint)
                )
            continue
        column = None if step.raw.get("column") is None else text(step.raw["column"])
        inputs = {name: known[name] for name in step.after}
        if column is not None:
            faults += [
                step.fault(
                    "column", f"step {name} has no column {column!r}", f"It has {', '.join(sorted(there)) or 'none'}"
                )
                for name, there in inputs.items()
                if there is not None and column not in there
            ]
        known[step.name] = _yielded(step, column, list(inputs.values()))
    return faults, unknown


def _yielded(step: Step, column: str | None, inputs: list[frozenset[str] | None]) -> frozenset[str] | None:
    if step.title == "function":
        return frozenset({RESULT})
    if step.title in ("classification", "regression"):
        return frozenset({column or "", PREDICTION})
    if any(there is None for there in inputs):
        return None
    together = frozenset[str]().union(*(there for there in inputs if there is not None))
    return together | {PREDICTION} if step.title == "clustering" else together


def _cleaning(book: Playbook) -> tuple[list[Fault], list[Fault]]:
    faults: list[Fault] = []
    advice: list[Fault] = []
    clean: dict[str, bool] = {}
    for step in structure.in_order(book):
        if step.title in _WANT_CLEANED:
            faults += [
                step.fault("from", f"a {step.title} wants cleaned input, and step {name} gives none")
                for name in dict.fromkeys(step.after)
                if not clean[name]
            ]
        all_clean = bool(step.after) and all(clean[name] for name in step.after)
        if step.title == "data-join" and all_clean:
            advice.append(
                step.fault("from", "both sides are cleaned before they are joined", "Clean the joined data instead")
            )
        clean[step.name] = step.title in ("cleaning", *_MODELS) or (step.title != "function" and all_clean)
    return faults, advice
