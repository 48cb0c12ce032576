"""The journal beside a model of it that fits on a page: whatever is done to both, both say the same."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from podium.errors import Conflict, NotFound, PodiumError
from podium.runs.events import STATE_EVENTS, Event, Failure, RunState, Submission
from podium.runs.journal import Journal
from tests.parts.postgres import PostgreSQL

T = TypeVar("T")

IDS, KEYS = st.sampled_from("abcd"), st.sampled_from([None, "k", "l"])
TYPES = st.sampled_from(["step", "step", "step", *STATE_EVENTS])
RANKS = {state: min(rank, 3) for rank, state in enumerate(RunState)}


@dataclass
class ModelRun:
    key: str | None
    document: int
    state: RunState = RunState.QUEUED
    events: list[str] = field(default_factory=lambda: ["run.submitted"])
    snapshot: tuple[int, Any] | None = None


class Model:
    """What a journal should do, said as plainly as can be. Refused is what returns an error's class."""

    def __init__(self) -> None:
        self.runs: dict[str, ModelRun] = {}
        self.log: list[tuple[int, str, int, str]] = []
        self.position = 0

    def submit(self, id_: str, key: str | None, document: int) -> str | type[PodiumError]:
        for known, run in self.runs.items():
            if key is not None and run.key == key:
                return known if run.document == document else Conflict
        if id_ in self.runs:
            return Conflict
        self.runs[id_] = ModelRun(key, document)
        self._record(id_, 1, "run.submitted")
        return id_

    def append(self, id_: str, types: Sequence[str]) -> int | type[PodiumError]:
        run = self.runs.get(id_)
        if run is None:
            return NotFound if types else 0
        state = run.state
        for type_ in types:
            follows = STATE_EVENTS.get(type_, state)
            if state.ended or RANKS[follows] < RANKS[state]:
                return Conflict
            state = follows
        run.state = state
        for type_ in types:
            run.events.append(type_)
            self._record(id_, len(run.events), type_)
        return len(types)

    def drop(self, id_: str) -> type[PodiumError] | None:
        if id_ not in self.runs:
            return NotFound
        if not self.runs[id_].state.ended:
            return Conflict
        del self.runs[id_]
        self.log = [entry for entry in self.log if entry[1] != id_]
        return None

    def snapshot(self, id_: str, seq: int) -> int | type[PodiumError]:
        if id_ not in self.runs:
            return NotFound
        if seq > len(self.runs[id_].events):
            return Conflict
        self.runs[id_].snapshot = (seq, {"at": seq})
        return len(f'{{"at":{seq}}}')

    def _record(self, id_: str, seq: int, type_: str) -> None:
        self.position += 1
        self.log.append((self.position, id_, seq, type_))


class Histories(RuleBasedStateMachine):
    """Drives both. `url` makes an empty database."""

    url: Callable[[], str]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.address = type(self).url()
        self.runner = asyncio.Runner()
        self.open()

    def teardown(self) -> None:
        self.run(self.journal.close())
        self.runner.close()

    @rule(id_=IDS, key=KEYS, number=st.integers(1, 2))
    def submit(self, id_: str, key: str | None, number: int) -> None:
        submitted = self.journal.submit(Submission(id_, "k", f"name {id_}", {"number": number}, key=key))
        assert self.outcome(submitted, lambda answer: answer[0].id) == self.model.submit(id_, key, number)

    @rule(id_=IDS, types=st.lists(TYPES, max_size=4))
    def append(self, id_: str, types: list[str]) -> None:
        appended = self.journal.append(id_, [_event(type_) for type_ in types])
        assert self.outcome(appended, len) == self.model.append(id_, types)

    @rule(work=st.lists(st.tuples(IDS, st.lists(TYPES, min_size=1, max_size=3)), min_size=2, max_size=6))
    def append_at_once(self, work: list[tuple[str, list[str]]]) -> None:
        async def together() -> list[Any]:
            wanted = [self.journal.append(id_, [_event(type_) for type_ in types]) for id_, types in work]
            return await asyncio.gather(*wanted, return_exceptions=True)

        outcomes = [type(one) if isinstance(one, PodiumError) else len(one) for one in self.run(together())]
        assert outcomes == [self.model.append(id_, types) for id_, types in work]

    @rule(id_=IDS)
    def drop(self, id_: str) -> None:
        assert self.outcome(self.journal.drop(id_), lambda answer: answer) == self.model.drop(id_)

    @rule(id_=IDS, seq=st.integers(1, 9))
    def snapshot(self, id_: str, seq: int) -> None:
        kept = self.journal.snapshot(id_, seq, {"at": seq})
        assert self.outcome(kept, lambda answer: answer) == self.model.snapshot(id_, seq)

    @rule()
    def restart(self) -> None:
        self.run(self.journal.close())
        self.open()

    @invariant()
    def both_say_the_same(self) -> None:
        async def look() -> None:
            recorded = await self.journal.events()
            assert [(one.position, one.run, one.seq, one.event.type) for one in recorded] == self.model.log
            assert {run.id: run.state for run in await self.journal.runs()} == {
                id_: run.state for id_, run in self.model.runs.items()
            }
            unfinished = [id_ for id_, run in self.model.runs.items() if not run.state.ended]
            assert [run.id for run in await self.journal.unfinished()] == unfinished
            for id_, run in self.model.runs.items():
                assert [one.event.type async for one in self.journal.replay(id_)] == run.events
                assert await self.journal.latest_snapshot(id_) == run.snapshot
                error = Failure("broken") if run.state is RunState.FAILED else None
                assert (await self.journal.run(id_)).error == error

        self.run(look())

    def open(self) -> None:
        self.journal = Journal(self.address, owner="test")

        async def take() -> None:
            await self.journal.open()
            await self.journal.acquire()

        self.run(take())

    def run(self, work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return self.runner.run(waited())

    def outcome(self, work: Awaitable[T], read: Callable[[T], Any]) -> Any:
        try:
            return read(self.run(work))
        except PodiumError as error:
            return type(error)


def _event(type_: str) -> Event:
    return Event(type_, {"error": {"reason": "broken"}} if type_ == "run.failed" else {})


def _check(url: Callable[[], str], examples: int) -> None:
    machine = type("HistoriesHere", (Histories,), {"url": staticmethod(url)})
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    chosen = settings(max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(machine, settings=chosen)


@pytest.fixture
def directories() -> Iterator[Iterator[str]]:
    with tempfile.TemporaryDirectory() as directory:
        yield (f"sqlite:///{directory}/{number}.db" for number in itertools.count())


@pytest.mark.timeout(600)  # a failure is made smaller before it is shown
def test_sqlite_does_what_the_model_does(directories: Iterator[str]) -> None:
    _check(lambda: next(directories), 30)


@pytest.mark.timeout(600)
def test_postgresql_does_what_the_model_does(postgres: PostgreSQL) -> None:
    _check(postgres.create, 5)
