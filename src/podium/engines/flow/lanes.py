"""What is ready to be performed, and who is next.

Jobs that name the same service wait in one lane, in the order in which they became ready; lanes take turns, so that
thousands of jobs for one service do not keep those for another waiting. Who is next is asked without a change, and
what was begun is taken out afterwards: the decision stands in the journal in between.
"""

from __future__ import annotations

from bisect import insort_left
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Any, NamedTuple

Next = tuple[str, int]  # a node and the number of its attempt


class Retry(NamedTuple):
    due: float
    node: str
    attempt: int


@dataclass(slots=True)
class Lane:
    """What waits for one service.

    Args:
        limit: how many attempts at once.
        busy: how many are under way.
        fresh: nodes that were never attempted.
        retries: the others, the next one last.
    """

    limit: float
    busy: int = 0
    fresh: deque[str] = field(default_factory=deque)
    retries: list[Retry] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.busy < self.limit and bool(self.fresh or self.retries)

    def next(self, now: float) -> Iterator[Next]:
        """What was begun before goes first."""
        for retry in reversed(self.retries):
            if retry.due > now:
                break
            yield retry.node, retry.attempt
        for node in self.fresh:
            yield node, 1

    def take(self, node: str, attempt: int) -> None:
        if attempt == 1:
            if self.fresh[0] == node:
                self.fresh.popleft()
            else:
                self.fresh.remove(node)
        elif self.retries[-1].node == node:
            self.retries.pop()
        else:
            self.retries = [retry for retry in self.retries if retry.node != node]


class Lanes:
    """All lanes of a run.

    Args:
        limit: how many attempts of the run at once.
        limits: how many for a service, for those that have a limit.
    """

    __slots__ = ("_lanes", "_limit", "_limits", "_turn", "busy")

    def __init__(self, limit: int, limits: Mapping[str, int]) -> None:
        self._limit = limit
        self._limits = limits
        self._lanes: dict[str, Lane] = {}
        self._turn: dict[str, Lane] = {}  # those that have work and room, the next one first
        self.busy = 0

    def add(self, service: str, node: str) -> None:
        lane = self._lane(service)
        lane.fresh.append(node)
        self._see(service, lane)

    def add_retry(self, service: str, retry: Retry) -> None:
        lane = self._lane(service)
        insort_left(lane.retries, retry, key=lambda each: -each.due)
        self._see(service, lane)

    def begin(self, service: str, node: str, attempt: int) -> None:
        lane = self._lane(service)
        lane.take(node, attempt)
        lane.busy += 1
        self.busy += 1
        self._turn.pop(service, None)
        self._see(service, lane)

    def end(self, service: str) -> None:
        lane = self._lanes[service]
        lane.busy -= 1
        self.busy -= 1
        self._see(service, lane)

    def next(self, now: float) -> list[Next]:
        """All that can begin, in this order."""
        sources = deque(islice(lane.next(now), self._room(lane)) for lane in self._turn.values())
        chosen: list[Next] = []
        while sources and self.busy + len(chosen) < self._limit:
            source = sources.popleft()
            following = next(source, None)
            if following is not None:
                chosen.append(following)
                sources.append(source)
        return chosen

    def due(self) -> float:
        """When the next one can begin, with the room there is now."""
        earliest = inf
        if self.busy >= self._limit:
            return earliest
        for lane in self._turn.values():
            if lane.fresh:
                return -inf
            earliest = min(earliest, lane.retries[-1].due)
        return earliest

    def postpone(self, seconds: float) -> None:
        for lane in self._lanes.values():
            lane.retries = [retry._replace(due=retry.due + seconds) for retry in lane.retries]

    def clear(self) -> None:
        self._lanes.clear()
        self._turn.clear()
        self.busy = 0

    def dump(self) -> dict[str, Any]:
        """What waits; what is under way is known elsewhere."""
        return {
            "turn": list(self._turn),
            "fresh": {service: list(lane.fresh) for service, lane in self._lanes.items() if lane.fresh},
            "retries": {
                service: [list(retry) for retry in lane.retries]
                for service, lane in self._lanes.items()
                if lane.retries
            },
        }

    def load(self, dumped: Mapping[str, Any]) -> None:
        for service, nodes in dumped["fresh"].items():
            self._lane(service).fresh.extend(nodes)
        for service, retries in dumped["retries"].items():
            self._lane(service).retries = [Retry(*retry) for retry in retries]
        self._turn = {service: self._lane(service) for service in dumped["turn"]}

    def busy_with(self, service: str) -> None:
        """An attempt was under way when the state was dumped."""
        self._lane(service).busy += 1
        self.busy += 1

    def _lane(self, service: str) -> Lane:
        lane = self._lanes.get(service)
        if lane is None:
            lane = self._lanes[service] = Lane(self._limits.get(service, inf))
        return lane

    def _room(self, lane: Lane) -> int:
        return int(min(lane.limit - lane.busy, self._limit - self.busy))

    def _see(self, service: str, lane: Lane) -> None:
        if lane.open:
            self._turn.setdefault(service, lane)
        else:
            self._turn.pop(service, None)
