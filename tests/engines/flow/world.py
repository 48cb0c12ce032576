"""A world for the machine to live in: a graph of jobs, those who perform them, and bad luck.

A history is decided by a string of bytes. Each turn takes one: a low byte lets things go their way, a high one is a
mishap. When the bytes run out nothing more goes wrong, so every history has to end; and Hypothesis shrinks to the few
mishaps that matter. What the machine does is checked against a record that is kept here, from its events alone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from podium.engines.flow import nodes
from podium.engines.flow.machine import FlowMachine
from podium.engines.flow.messages import LAST, Attempt, PauseRequested, ResumeRequested
from podium.engines.flow.progress import Progress, fold
from podium.engines.flow.state import State
from podium.runs.events import STATE_EVENTS, Event, Recorded, RunState
from podium.runs.machine import (
    CancelRequested,
    DeadlinePassed,
    Input,
    LinkLost,
    Performed,
    PerformFailed,
    Recovered,
    Resumed,
    Started,
)

MACHINE = FlowMachine()
MOST_TURNS = 2000


class Luck:
    def __init__(self, content: bytes) -> None:
        self._bytes = iter(content)
        self.good = False

    def byte(self) -> int:
        value = next(self._bytes, None)
        if value is None:
            self.good = True
            return 0
        return value

    def pick(self, count: int) -> int:
        return self.byte() % count

    def strikes(self, percent: int) -> bool:
        return self.byte() >= 256 - 256 * percent // 100


def graph(luck: Luck) -> dict[str, Any]:
    """Any shape: several starts and ends, joins, parts that are not connected, lists behind lists."""
    jobs: dict[str, dict[str, Any]] = {}
    for number in range(1 + luck.pick(7)):
        jobs[f"j{number}"] = _job(luck, list(jobs))
    flow: dict[str, Any] = {
        "jobs": dict(sorted(jobs.items(), reverse=luck.pick(2) == 1)),
        "limit": (256, 1, 2, 3)[luck.pick(4)],
        "services": {"s": 1 + luck.pick(2)} if luck.pick(2) else {},
        "on_failure": ("finish", "stop")[luck.pick(2)],
        "reuse": {name: [7, 8] for name in jobs if luck.strikes(8)},
    }
    if luck.pick(2):
        flow["last"] = {**_job(luck, []), "after": list(jobs)[:1]}
    return flow


def _job(luck: Luck, earlier: list[str]) -> dict[str, Any]:
    after = [name for name in earlier if luck.pick(3) == 1]
    job: dict[str, Any] = {"kind": "any", "after": after, "call": {"n": len(earlier)}}
    if after and luck.pick(3) == 1:
        job["each"] = after[luck.pick(len(after))]
    if luck.pick(2):
        job["retry"] = {"attempts": 1 + luck.pick(3), "delay": luck.pick(3)}
    if luck.pick(3) == 1:
        job["timeout"] = 1.0 + luck.pick(5)
    if luck.pick(2):
        job["service"] = "st"[luck.pick(2)]
    return job


class Died(Exception):
    """Podium was killed."""


@dataclass
class World:
    luck: Luck
    flow: dict[str, Any] = field(default_factory=dict)
    paranoid: bool = False

    now: float = 1000.0
    alive: bool = True
    journal: list[Event] = field(default_factory=list)
    dispatched: dict[str, Attempt] = field(default_factory=dict)  # by the process that lives now
    before: set[str] = field(default_factory=set)  # under way when an earlier one died
    stale: list[Input] = field(default_factory=list)  # said before, may be said again
    snapshot: tuple[int, str] | None = None
    cancelled: bool = False
    performed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.flow = self.flow or graph(self.luck)
        self.document = json.loads(json.dumps({"flow": self.flow}))
        self.state: State = MACHINE.initial(self.document)
        self.record = Record(self.flow)

    def live(self) -> World:
        for _ in range(MOST_TURNS):
            if self.record.ended:
                break
            try:
                self.turn() if self.alive else self.come_back()
            except Died:
                self.alive = False
        assert self.record.ended, "the run does not end"
        self.check_end()
        return self

    def turn(self) -> None:
        self.now += 0.25
        if not self.record.started:
            if self.luck.strikes(3):
                self.cancel()
            self.take(Started(self.now))
            return
        match self.luck.byte():
            case byte if byte >= 252:
                self.cancel()
            case byte if byte >= 244:
                raise Died
            case byte if byte >= 240:
                self.take(LinkLost(self.now), act=False)
                self.take(Recovered(self.now))
            case byte if byte >= 230:
                self.take(PauseRequested(self.now))
            case byte if byte >= 215:
                self.take(ResumeRequested(self.now))
            case byte if byte >= 205 and self.stale:
                self.take(replace(self.stale[self.luck.pick(len(self.stale))], now=self.now))
            case byte if byte >= 195:
                self.wait()
            case _:
                self.outcomes()

    def outcomes(self) -> None:
        """Some of what is under way is done, all at once."""
        keys = [key for key in self.dispatched if self.luck.good or self.luck.pick(3)]
        said = [self.outcome(self.dispatched.pop(key)) for key in keys]
        self.stale += said
        if said and self.luck.strikes(3):
            self.cancelled = True
            said.insert(self.luck.pick(len(said) + 1), CancelRequested(self.now, "enough"))
        if said:
            self.take(*said)
        elif not self.dispatched:
            self.wait()

    def outcome(self, attempt: Attempt) -> Input:
        if self.luck.strikes(12):
            return PerformFailed(self.now, attempt.key, "bad luck", transient=self.luck.pick(3) > 0)
        if self.luck.strikes(3):
            return Performed(self.now, attempt.key, "no list")
        return Performed(self.now, attempt.key, [attempt.node] * self.luck.pick(4))

    def wait(self) -> None:
        """Let the next deadline pass; whoever waits for a person gets one when luck is good."""
        deadline = MACHINE.deadline(self.state)
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.take()
        elif self.luck.good and self.state.paused:
            self.take(ResumeRequested(self.now))

    def cancel(self) -> None:
        self.cancelled = True
        self.take(CancelRequested(self.now, "enough"))

    def come_back(self) -> None:
        """Podium was dead and goes on from its journal, with or without a snapshot. It may well die again."""
        self.before |= self.record.running.keys()
        self.stale += [Performed(self.now, key, [key]) for key in self.dispatched]
        self.dispatched.clear()
        down = float(self.luck.pick(50))
        self.now += down
        self.state = self.replayed(snapshot=self.luck.pick(2) == 1)
        self.alive = True
        if not self.record.started:
            return
        self.take(Resumed(self.now, down), act=False)
        assert not MACHINE.pending(self.state)
        if self.luck.strikes(30) and self.record.running:
            self.take(Performed(self.now, next(iter(self.record.running)), []), act=False)
        if not self.record.ended:
            self.take(Recovered(self.now))

    def replayed(self, *, snapshot: bool) -> State:
        written, state = self.journal, MACHINE.initial(self.document)
        if snapshot and self.snapshot is not None:
            seq, dumped = self.snapshot
            written, state = written[seq:], MACHINE.load(self.document, json.loads(dumped))
        for event in written:
            state = MACHINE.apply(state, json_event(event))
        return state

    def take(self, *inputs: Input, act: bool = True) -> None:
        """What the actor does: handle, keep the deadlines, write, act. It may die before or after it has written."""
        events: list[Event] = []
        for what in inputs:
            self.handle(what, events)
        deadlines = 0
        while act and (deadline := MACHINE.deadline(self.state)) is not None and deadline <= self.now:
            self.handle(DeadlinePassed(self.now), events)
            deadlines += 1
            assert deadlines < 100, "a deadline that has passed brings nothing about"
        durable = [event for event in events if not event.transient]
        if durable and self.luck.strikes(2):
            raise Died
        for event in durable:
            assert event.synced
            self.journal.append(event)
            self.record.take(event, self.now)
        if durable and self.luck.strikes(2):
            raise Died
        if self.luck.strikes(8):
            self.snapshot = len(self.journal), json.dumps(MACHINE.dump(self.state))
        if act and not self.record.ended:
            self.act()

    def handle(self, what: Input, events: list[Event]) -> None:
        untouched = json.dumps(MACHINE.dump(self.state)) if self.paranoid else None
        follows = MACHINE.handle(self.state, what)
        assert bool(follows) == (MACHINE.unwanted(self.state, what) is None)
        assert untouched is None or untouched == json.dumps(MACHINE.dump(self.state))
        for event in follows:
            self.state = MACHINE.apply(self.state, event)
        events.extend(follows)

    def act(self) -> None:
        pending = {command.key: command for command in MACHINE.pending(self.state)}
        assert list(pending) == list(self.record.running)
        for key in self.dispatched.keys() - pending.keys():
            self.stale.append(Performed(self.now, key, ["stale"]))
            del self.dispatched[key]
        said = {what.key for what in self.stale if isinstance(what, Performed | PerformFailed)}
        for key, command in pending.items():
            if key not in self.dispatched and (key not in said or key in self.before):
                self.check_attempt(command)
                self.performed[key] += 1
                self.dispatched[key] = command

    def check_attempt(self, attempt: Attempt) -> None:
        record = self.record
        assert attempt.again == (attempt.key in self.before)
        assert self.performed[attempt.key] == 0 or attempt.again, "performed twice without a reason"
        if attempt.node == LAST:
            assert attempt.inputs == {
                name: record.results[name] for name in self.flow["last"]["after"] if name in record.results
            }
            assert attempt.outcome is not None
            assert attempt.outcome["failed"] == record.failed
            return
        name, index = nodes.split(attempt.node)
        spec = self.flow["jobs"][name]
        assert attempt.inputs == {other: record.results[other] for other in spec["after"] if other != spec.get("each")}
        if index is not None:
            assert attempt.item == record.results[spec["each"]][index]

    def check_end(self) -> None:
        record = self.record
        final = STATE_EVENTS[self.journal[-1].type]
        assert [event.type for event in self.journal if event.ends] == [self.journal[-1].type]
        if record.failed or record.last_failed:
            assert final is not RunState.SUCCEEDED
        elif not self.cancelled:
            assert final is RunState.SUCCEEDED
        if final is RunState.FAILED:
            assert "failed" in self.journal[-1].data["error"]["reason"]
        if final is RunState.CANCELLED:
            assert self.cancelled
        elif self.flow["on_failure"] == "finish":
            record.check_all_settled()
        assert MACHINE.deadline(self.state) is None
        assert not MACHINE.pending(self.state)
        for snapshot in (False, True):
            assert MACHINE.dump(self.replayed(snapshot=snapshot)) == MACHINE.dump(self.state)
        counts = record.progress.counts
        assert counts.over == counts.total
        assert counts.succeeded == len(record.done_nodes())
        assert counts.failed == len(record.failed)


@dataclass
class Record:
    """What the events say, and whether they may."""

    flow: dict[str, Any]
    started: bool = False
    ended: bool = False
    paused: bool = False
    ending: bool = False
    last_failed: bool = False
    running: dict[str, float] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    items: dict[str, dict[int, Any]] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    attempts: Counter[str] = field(default_factory=Counter)
    retries: dict[str, float] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)

    def take(self, event: Event, now: float) -> None:
        assert not self.ended
        data = event.data
        match event.type:
            case "run.started":
                self.started = True
            case "run.restored":
                self.running = {key: began + data["down"] for key, began in self.running.items()}
                self.retries = {node: due + data["down"] for node, due in self.retries.items()}
            case "run.paused":
                self.paused = True
            case "run.resumed":
                self.paused = False
            case "run.ending":
                self.paused, self.ending = False, True
                self.running.clear()
            case "jobs.reused":
                self.results |= {name: self.flow["reuse"][name] for name in data["jobs"]}
            case "jobs.begun":
                for node, attempt in data["attempts"]:
                    self.begin(node, attempt, now)
            case "job.expanded":
                each = self.results[self.flow["jobs"][data["job"]]["each"]]
                assert len(each) == data["items"]
                self.widths[data["job"]] = data["items"]
                self.items[data["job"]] = {}
                self.collect(data["job"])
            case "job.succeeded":
                del self.running[nodes.key(data["job"], data["attempt"])]
                self.succeed(data["job"], data["result"])
            case "job.failed":
                self.fail(data, now)
            case "jobs.skipped":
                for name in data["jobs"]:
                    assert name not in self.skipped
                    assert name not in self.results
                    assert self.hopeless(name)
                    self.skipped.add(name)
            case kind if kind in STATE_EVENTS and STATE_EVENTS[kind].ended:
                self.ended = True
                self.running.clear()
        fold([Recorded(0, "", 0, 0.0, event)], self.progress)
        begun = [key for key in self.running if not key.startswith(LAST)]
        assert self.progress.counts.running == len(begun)
        assert self.progress.counts.waiting >= 0

    def begin(self, node: str, attempt: int, now: float) -> None:
        name, index = nodes.split(node)
        assert not self.paused
        assert self.ending == (name == LAST), "only the last job is performed in the end"
        assert attempt == self.attempts[node] + 1
        assert attempt == 1 or now >= self.retries.pop(node), "begun before its time"
        self.attempts[node] = attempt
        self.running[nodes.key(node, attempt)] = now
        if name == LAST:
            return
        spec = self.flow["jobs"][name]
        assert all(before in self.results for before in spec["after"]), "not in order"
        assert node not in self.failed
        assert name not in self.flow["reuse"]
        assert (index is not None) == ("each" in spec)
        assert index is None or index < self.widths[name]
        assert len(self.running) <= self.flow["limit"]
        busy = Counter(self.flow["jobs"][nodes.split(key.split("#")[0])[0]].get("service") for key in self.running)
        assert all(busy[service] <= most for service, most in self.flow["services"].items())

    def succeed(self, node: str, result: Any) -> None:
        name, index = nodes.split(node)
        if name == LAST:
            return
        if index is None:
            assert name not in self.results, "recorded twice"
            self.results[name] = result
        else:
            assert index not in self.items[name], "recorded twice"
            self.items[name][index] = result
            self.collect(name)

    def collect(self, name: str) -> None:
        if len(self.items[name]) == self.widths[name]:
            self.results[name] = [self.items[name][index] for index in range(self.widths[name])]

    def fail(self, data: Any, now: float) -> None:
        node = data["job"]
        name, _ = nodes.split(node)
        spec = self.flow["last"] if name == LAST else self.flow["jobs"][name]
        if "attempt" in data:
            began = self.running.pop(nodes.key(node, data["attempt"]))
            if "no outcome" in data["reason"]:
                assert now - began >= spec["timeout"], "given up before its time"
        else:
            assert not isinstance(self.results[spec["each"]], list)
        if "retry_at" in data:
            retry = spec["retry"]
            assert data["attempt"] < retry["attempts"]
            pause = min(retry["delay"] * 2.0 ** (data["attempt"] - 1), 60.0)
            assert 0.9 * pause - 1e-6 <= data["retry_at"] - now <= pause + 1e-6
            self.retries[node] = data["retry_at"]
        elif name == LAST:
            self.last_failed = True
        else:
            self.failed[node] = data["reason"]

    def hopeless(self, name: str) -> bool:
        failed = {nodes.split(node)[0] for node in self.failed}
        waiting = [name]
        for each in waiting:
            if each in failed:
                return True
            waiting += self.flow["jobs"][each]["after"]
        return False

    def done_nodes(self) -> list[str]:
        plain = [name for name in self.results if name not in self.widths and name not in self.flow["reuse"]]
        empty = [name for name, width in self.widths.items() if not width]
        return [*plain, *empty, *(nodes.item(name, index) for name, found in self.items.items() for index in found)]

    def check_all_settled(self) -> None:
        failed = {nodes.split(node)[0] for node in self.failed}
        for name in self.flow["jobs"]:
            assert (name in self.results) + (name in failed) + (name in self.skipped) == 1
            assert (name in self.skipped) == (name not in failed and name not in self.results and self.hopeless(name))
        for name, width in self.widths.items():
            over = {*self.items[name], *(nodes.split(node)[1] for node in self.failed if nodes.split(node)[0] == name)}
            assert len(over) == width


def json_event(event: Event) -> Event:
    """As the journal gives it back."""
    return Event(event.type, json.loads(json.dumps(dict(event.data))), event.schema)
