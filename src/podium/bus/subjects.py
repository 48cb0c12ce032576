"""How sets of NATS subjects lie to each other: JetStream refuses a stream whose subjects overlap."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject that `narrow` stands for is one of `wide`'s."""
    outer, inner = wide.split("."), narrow.split(".")
    for index, part in enumerate(outer):
        if part == ">":
            return len(inner) > index
        if index == len(inner) or inner[index] == ">" or part not in ("*", inner[index]):
            return False
    return len(outer) == len(inner)


def overlap(one: str, other: str) -> bool:
    """Whether some subject is meant by both."""
    left, right = one.split("."), other.split(".")
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(left) == len(right)


def apart(subjects: Iterable[str]) -> list[str]:
    """Subjects that mean at least all of the given ones, and of which no two overlap."""
    kept = sorted(set(subjects))
    while pair := next(((a, b) for a, b in combinations(kept, 2) if overlap(a, b)), None):
        kept = sorted({*kept} - {*pair} | {_joined(*pair)})
    return kept


def _joined(one: str, other: str) -> str:
    if covers(one, other):
        return one
    if covers(other, one):
        return other
    left, right = one.split("."), other.split(".")
    joined: list[str] = []
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return ".".join([*joined, ">"])
        joined.append(a if a == b else "*")
    return ".".join(joined)
