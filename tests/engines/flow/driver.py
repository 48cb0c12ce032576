"""Drives one graph by hand, for tests that tell a story."""

from __future__ import annotations

from podium.engines.flow.machine import FlowMachine
from podium.runs.machine import DeadlinePassed, Performed, PerformFailed, Recovered, Resumed, Started


class Driver:
    def __init__(self, jobs, **flow):
        self.machine = FlowMachine()
        jobs = {name: {"kind": "any", **job} for name, job in jobs.items()}
        if "last" in flow:
            flow["last"] = {"kind": "any", **flow["last"]}
        self.document = {"flow": {"jobs": jobs, **flow}}
        self.state = self.machine.initial(self.document)
        self.now = 1000.0
        self.events = []

    def start(self):
        self.feed(Started)
        return self.pending()

    def feed(self, kind, *arguments, after=1.0, **more):
        """The names of the events that follow, deadlines kept."""
        self.now += after
        before = len(self.events)
        self._handle(kind(self.now, *arguments, **more))
        while (deadline := self.machine.deadline(self.state)) is not None and deadline <= self.now:
            assert self._handle(DeadlinePassed(self.now))
        return [event.type for event in self.events[before:]]

    def _handle(self, what):
        events = self.machine.handle(self.state, what)
        for event in events:
            self.state = self.machine.apply(self.state, event)
        self.events.extend(events)
        return events

    def pending(self):
        return [command.key for command in self.machine.pending(self.state)]

    def command(self, key):
        return next(command for command in self.machine.pending(self.state) if command.key == key)

    def done(self, *keys, result=None):
        for key in keys:
            self.feed(Performed, key, result)
        return self.pending()

    def fails(self, key, reason="bad luck", *, transient=False):
        return self.feed(PerformFailed, key, reason, transient=transient)

    def wait(self):
        """Let the deadline pass."""
        self.now = self.machine.deadline(self.state)
        return self.feed(DeadlinePassed, after=0.0)

    def crash(self, down=10.0):
        """Podium dies and comes back on its journal."""
        journal = [event for event in self.events if not event.transient]
        self.state = self.machine.initial(self.document)
        for event in journal:
            self.state = self.machine.apply(self.state, event)
        self.now += down
        self._handle(Resumed(self.now, down))
        assert self.pending() == []
        self.feed(Recovered, after=0.0)
        return self.pending()

    @property
    def types(self):
        return [event.type for event in self.events]

    @property
    def end(self):
        return self.events[-1]

    @property
    def reason(self):
        return self.end.data["error"]["reason"]
