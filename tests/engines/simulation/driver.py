"""Drives one simulation by hand, for tests that tell a story."""

from __future__ import annotations

from podium.engines.simulation.machine import SimulationMachine
from podium.engines.simulation.messages import AllReady, Answered, ModelEnded, Parameterized
from podium.engines.simulation.progress import fold
from podium.runs.events import Recorded
from podium.runs.machine import DeadlinePassed, Performed, Recovered, Resumed, Started


class Driver:
    def __init__(self, *models, **plan):
        self.machine = SimulationMachine()
        self.models = models or ("a-1", "b-1")
        plan = {"start": 1000, "step_seconds": 900, "steps": 3, "settle": 0.0, **plan}
        self.document = {"simulation": {"models": self.models, **plan}}
        self.state = self.machine.initial(self.document)
        self.now = 0.0
        self.events = []

    def feed(self, kind, *arguments, after=1.0):
        """The names of the events that follow."""
        self.now += after
        events = self.machine.handle(self.state, kind(self.now, *arguments))
        for event in events:
            self.state = self.machine.apply(self.state, event)
        self.events.extend(events)
        return [event.type for event in events]

    @property
    def journal(self):
        return [event for event in self.events if not event.transient]

    @property
    def progress(self):
        return fold(Recorded(seq, "r", seq, 0.0, event) for seq, event in enumerate(self.journal, start=1))

    @property
    def last(self):
        return self.journal[-1]

    def pending(self):
        return list(self.machine.pending(self.state))

    def perform(self):
        """Confirm what is pending, and hand it over."""
        commands = self.pending()
        for command in commands:
            self.feed(Performed, command.key, after=0.0)
        return commands

    def wait(self):
        """Let the deadline pass."""
        self.now = self.machine.deadline(self.state)
        return self.feed(DeadlinePassed, after=0.0)

    def ready(self):
        self.feed(Started)
        self.perform()
        self.feed(AllReady)
        return self.perform()

    def stepping(self, versions=None, calculations=None):
        """Up to step 1, sent."""
        self.ready()
        for model in self.models:
            self.feed(Parameterized, model, (versions or {}).get(model, 1), (calculations or {}).get(model, ()))
        return self.perform()

    def answer(self, *models, number=None):
        for model in models or self.models:
            self.feed(Answered, model, number)

    def all_steps(self):
        while self.state.phase == "stepping":
            self.perform()
            self.answer(*self.state.in_order(self.state.live.waiting))
        return self.perform()

    def all_end(self):
        for model in self.models:
            self.feed(ModelEnded, model, True, 0)

    def crash(self, *found, down=10.0, complete=False):
        """Podium dies and comes back on its journal; `found` is what recovery feeds."""
        journal = self.journal
        self.state = self.machine.initial(self.document)
        for event in journal:
            self.state = self.machine.apply(self.state, event)
        self.now += down
        self.feed(Resumed, down)
        return self.recover(*found, complete=complete)

    def recover(self, *found, complete=False):
        assert self.pending() == []
        for kind, *arguments in found:
            self.feed(kind, *arguments, after=0.0)
        return self.feed(Recovered, complete)
