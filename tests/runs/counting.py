"""A small machine for tests of the kernel: it performs `count` commands one after another and then succeeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podium.runs.events import Event, Json, Submission
from podium.runs.machine import (
    CancelRequested,
    Command,
    DeadlinePassed,
    Input,
    LinkDown,
    LinkLost,
    Performed,
    PerformFailed,
    Recovered,
    Recovery,
    Resumed,
    Started,
)


def counting(id: str, count: int, **more: Any) -> Submission:
    document = {"count": count, "timeout": more.pop("timeout", None)}
    return Submission(id=id, kind="test.counting", name=id, document=document, **more)


@dataclass
class State:
    count: int
    timeout: float | None
    done: int = 0
    running: bool = False
    deadline: float | None = None
    seen: list[str] = field(default_factory=list)


class CountingMachine:
    def initial(self, document: Mapping[str, Any]) -> State:
        return State(document["count"], document.get("timeout"))

    def handle(self, state: State, what: Input) -> Sequence[Event]:
        match what:
            case Started(now=now):
                return [Event("run.started", {"now": now}), Event("run.running")]
            case Performed(key=key) if key == f"count:{state.done}":
                counted = Event("counted", {"number": state.done})
                return [counted, Event("run.succeeded")] if state.done + 1 == state.count else [counted]
            case PerformFailed(reason=reason):
                return [Event("run.failed", {"error": {"reason": reason}})]
            case CancelRequested(reason=reason):
                return [Event("run.cancelled", {"error": {"reason": reason}})]
            case DeadlinePassed():
                return [Event("run.failed", {"error": {"reason": "took too long"}})]
            case Resumed(relinked=True):
                return [Event("noticed", {"what": "Resumed, relinked"})]
            case Resumed() | LinkDown() | LinkLost() | Recovered():
                return [Event("noticed", {"what": type(what).__name__})]
            case _:
                return []

    def apply(self, state: State, event: Event) -> State:
        match event.type:
            case "run.started" if state.timeout is not None:
                state.deadline = event.data["now"] + state.timeout
            case "run.running":
                state.running = True
            case "counted":
                state.done += 1
            case "noticed":
                state.seen.append(event.data["what"])
        return state

    def pending(self, state: State) -> Sequence[Command]:
        return [Command(f"count:{state.done}")] if state.running and state.done < state.count else []

    def deadline(self, state: State) -> float | None:
        return state.deadline

    def dump(self, state: State) -> Json:
        return [state.done, state.running, state.deadline]

    def load(self, document: Mapping[str, Any], snapshot: Json) -> State:
        assert isinstance(snapshot, list)
        state = self.initial(document)
        state.done, state.running, state.deadline = snapshot
        return state


@dataclass
class CountingPerformer:
    """Answers with `Performed`; `never` are keys that it never answers."""

    never: frozenset[str] = frozenset()
    fails: Mapping[str, Exception] = field(default_factory=dict)
    performed: list[tuple[str, str]] = field(default_factory=list)
    released_runs: list[str] = field(default_factory=list)

    async def perform(self, run: str, document: Mapping[str, Any], command: Command) -> Input | None:
        self.performed.append((run, command.key))
        if command.key in self.fails:
            raise self.fails[command.key]
        return None if command.key in self.never else Performed(0.0, command.key)

    async def recover(self, run: str, document: Mapping[str, Any]) -> Recovery:
        return Recovery(complete=True)

    async def released(self, run: str) -> None:
        self.released_runs.append(run)


@dataclass(frozen=True)
class CountingKind:
    performer: CountingPerformer
    machine: Any = field(default_factory=CountingMachine)
