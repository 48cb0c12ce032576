"""A world for the machine to live in: models, a broker with or without a memory, and bad luck.

A history is decided by a string of bytes. Each turn takes one: a low byte lets things go their way, a high one is a
mishap. When the bytes run out nothing more goes wrong, so every history has to end; and Hypothesis shrinks to the few
mishaps that matter. The world checks the machine at every turn against rules of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

from podium.engines.simulation.machine import SimulationMachine
from podium.engines.simulation.messages import (
    AllEnded,
    AllReady,
    Answered,
    Calculation,
    Deploy,
    Finish,
    ModelEnded,
    ModelFailed,
    Parameterize,
    Parameterized,
    Step,
    StepSent,
    StillWaiting,
)
from podium.engines.simulation.progress import fold
from podium.engines.simulation.state import Phase, State
from podium.runs.events import STATE_EVENTS, Event, Recorded, RunState
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
    Resumed,
    Started,
)

STEP_SECONDS = 900
PHASES = list(Phase)
FAULTS = ("dies", "silent", "error", "leaves", "fails at the end", "hangs at the end")
MACHINE = SimulationMachine()

Said = tuple[type[Input], tuple]  # an input without its time


class Luck:
    def __init__(self, content: bytes) -> None:
        self._bytes: Iterator[int] = iter(content)
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


@dataclass
class Model:
    name: str
    version: int
    calculations: tuple[Calculation, ...] = ()
    fault: str | None = None
    fault_step: int = 0
    alive: bool = False
    ended: bool = False
    last: int = 0
    upstream: str | None = None  # whose part it waits for, of version 2
    held: int = 0  # the step in which it does
    back: float = 0.0  # when it finds the broker again: what is sent before never comes

    def due(self, step: int) -> bool:
        time = (step - 1) * STEP_SECONDS
        return not self.calculations or any(
            time >= each.offset_seconds and (time - each.offset_seconds) % each.period_seconds == 0
            for each in self.calculations
        )


@dataclass
class World:
    luck: Luck
    versions: tuple[int, ...] = (1, 2)
    with_periods: bool = False
    paranoid: bool = False

    now: float = 1000.0
    journal: list[Event] = field(default_factory=list)
    stream: list[Said] = field(default_factory=list)  # what the broker accepted, in order
    inbox: list[Said] = field(default_factory=list)  # on its way to Podium
    outbox: list[tuple[Model, tuple]] = field(default_factory=list)  # on its way to models
    dispatched: set[str] = field(default_factory=set)
    performed: set[str] = field(default_factory=set)
    down: float | None = None  # since when the link is down
    claims: dict[str, frozenset[str]] = field(default_factory=dict)  # whom models say they wait for, in `claimed_in`
    claimed_in: tuple[int, int] = (0, 0)
    allowed: float = 0.0  # the time a run may take beyond its time-outs
    punctual: bool = True  # nothing was under way when the machine had waited for it long enough
    excuse: str | None = None  # why the run need not succeed
    snapshot: tuple[int, object] | None = None
    told_to_finish: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)  # while they lived
    cut_off: bool = False  # the run ended without a link

    def __post_init__(self) -> None:
        luck = self.luck
        self.models = {
            name: Model(name, self.versions[luck.pick(len(self.versions))])
            for name in [f"m-{number}" for number in range(1, 2 + luck.pick(4))]
        }
        names = list(self.models)
        for place, name in enumerate(names):
            if place and self.models[name].version == 2 and luck.pick(2):
                self.models[name].upstream = names[luck.pick(place)]
        self.steps = 1 + luck.pick(5)
        if self.with_periods:
            for model in self.models.values():
                model.calculations = tuple(
                    Calculation(f"c{number}", STEP_SECONDS * (1 + luck.pick(4)), STEP_SECONDS * luck.pick(4))
                    for number in range(luck.pick(3))
                )
            self.steps += luck.pick(8)
        self.on_failure = ("fail", "continue")[luck.pick(2)]
        self.remembers = luck.pick(2) == 0
        self.never_ready = luck.strikes(3)
        if self.never_ready:
            self.excuse = "never ready"
        frail = luck.strikes(40)
        for model in self.models.values():
            if frail and luck.strikes(40):
                model.fault = FAULTS[luck.pick(len(FAULTS))]
                model.fault_step = luck.pick(self.steps + 1)
                self.excuse = model.fault
        self.document = {
            "simulation": {
                "start": 1_700_000_000,
                "step_seconds": STEP_SECONDS,
                "steps": self.steps,
                "models": list(self.models),
                "on_model_failure": self.on_failure,
                "settle": (0.02, 0.0)[luck.pick(2)],
            }
        }
        self.state: State = MACHINE.initial(self.document)
        usual = [
            self.crash,
            self.lose_link,
            self.complain,
            self.crash_while_performing,
            self.fail_to_perform,
            self.overtake,
            self.come_twice,
            self.make_noise,
            self.take_snapshot,
        ]
        mask = luck.byte()
        self.mishaps = [mishap for place, mishap in enumerate(usual) if mask >> place & 1]
        rare = (self.cancel, self.wait, self.refuse_to_perform)
        self.mishaps += [mishap for mishap in rare if luck.strikes(12)]
        self.calm = 256 - (8, 30, 80)[luck.pick(3)]

    # ---- the conductor

    def feed(self, kind: type[Input], *arguments: object) -> None:
        self.now += 0.001
        what = kind(self.now, *arguments)
        untouched = copy.deepcopy(self.state) if self.paranoid else None
        events = MACHINE.handle(self.state, what)
        if untouched is not None:
            assert self.state == untouched, f"handle changed the state on {what}"
        assert bool(events) == (MACHINE.unwanted(self.state, what) is None)
        phase, step = PHASES.index(self.state.phase), self.state.step
        for event in events:
            self.state = MACHINE.apply(self.state, event)
            if not event.transient:
                self.journal.append(event)
        after = PHASES.index(self.state.phase), self.state.step
        assert after >= (phase, step), f"from {(phase, step)} back to {after}"
        self.dispatched.intersection_update(command.key for command in MACHINE.pending(self.state))

    def pending(self) -> list[Command]:
        return [command for command in MACHINE.pending(self.state) if command.key not in self.dispatched]

    def perform(self, command: Command, part: float = 1.0) -> None:
        """Send it; with `part` below 1 only so much of it gets through."""
        assert command.key not in self.performed, f"{command.key} was given twice"
        self.performed.add(command.key)
        self.dispatched.add(command.key)
        messages = list(self.messages(command))
        for sent, deliver in messages[: round(part * len(messages))]:
            self.stream.extend(sent)
            self.outbox.extend((model, what) for model, what in deliver if not self.deaf(model, what))

    def deaf(self, model: Model, what: tuple) -> bool:
        return self.now < model.back and what[0] not in ("deploy", "remove")

    def messages(self, command: Command) -> Iterator[tuple[list[Said], list[tuple[Model, tuple]]]]:
        match command:
            case Deploy():
                yield [], [(model, ("deploy",)) for model in self.models.values()]
            case Parameterize():
                for name in command.models:
                    yield [], [(self.models[name], ("parameters",))]
            case Step():
                self.check_step(command)
                for name in command.models:
                    yield [(StepSent, (name, command.number))], [(self.models[name], ("step", command.number, ()))]
                if command.broadcast:
                    hearing = [model for model in self.models.values() if model.version == 2]
                    told = ("step", command.number, command.due)
                    yield [(StepSent, (None, command.number))], [(model, told) for model in hearing]
            case Finish():
                for name in command.models:
                    yield [], [(self.models[name], ("finish",))]
            case _:
                yield [], [(model, ("remove",)) for model in self.models.values()]

    def check_step(self, command: Step) -> None:
        number = command.number
        left = [model for model in self.models.values() if model.name not in self.state.lost]
        assert command.due == tuple(model.name for model in left if model.due(number))
        assert set(command.models) | set(command.broadcast) <= set(command.due)
        assert all(self.models[name].version == 1 for name in command.models)
        assert all(self.models[name].version == 2 for name in command.broadcast)
        assert command.lost == tuple(self.state.lost)
        assert command.time == 1_700_000_000 + (number - 1) * STEP_SECONDS
        finished = {event.data["step"] for event in self.journal if event.type == "step.finished"}
        assert number not in finished
        for before in range(1, number):
            assert before in finished or not any(model.due(before) for model in left), f"step {before} was left out"

    # ---- the models

    def say(self, kind: type[Input], *arguments: object) -> None:
        self.stream.append((kind, arguments))
        self.inbox.append((kind, arguments))

    def hear(self, model: Model, message: tuple) -> None:
        match message:
            case ("deploy",):
                if not model.alive and not model.ended:
                    model.alive = True
                if all(each.alive for each in self.models.values()) and not self.never_ready:
                    self.say(AllReady)
            case ("remove",):
                if model.alive:
                    self.removed.add(model.name)
                    self.end(model, 137)
                if not any(each.alive for each in self.models.values()):
                    self.say(AllEnded)
            case _ if not model.alive:
                pass
            case ("parameters",):
                if not self.goes_wrong(model, 0):
                    self.say(Parameterized, model.name, model.version, model.calculations)
            case ("step", number, due):
                if model.version == 2 and model.name not in due and number > model.last:
                    return
                if model.upstream in due and self.models[model.upstream].last < number:
                    model.held = number
                    return
                self.calculate(model, number)
            case ("finish",):
                self.told_to_finish.add(model.name)
                if model.fault != "hangs at the end":
                    self.end(model, 9 if model.fault == "fails at the end" else 0)

    def calculate(self, model: Model, number: int) -> None:
        repeats = [event for event in self.journal if event.type == "step.repeated"]
        if number <= model.last:
            assert number == model.last, "an old step"
            if model.version == 1:
                assert any(event.data["step"] == number for event in repeats), "a step came twice and nobody said so"
        else:
            skipped = [step for step in range(model.last + 1, number) if model.due(step)]
            assert not skipped or (model.version == 1 and not self.punctual), f"{model.name} missed {skipped}"
            if self.goes_wrong(model, number):
                return
            model.last = number
        self.stream.append((Answered, (model.name, number if model.version == 2 else None)))
        self.inbox.append((Answered, (model.name, number if model.version == 2 else self.numbered(model.name))))
        for other in self.models.values():
            if other.alive and other.upstream == model.name and other.held == number:
                other.held = 0
                self.calculate(other, number)

    def numbered(self, name: str) -> int | None:
        """Which step a dialect takes an answer of version 1 for: the last it sent, where the broker can tell it."""
        if not self.remembers:
            return None
        return next(said[1] for kind, said in reversed(self.stream) if kind is StepSent and said[0] == name)

    def goes_wrong(self, model: Model, step: int) -> bool:
        if model.fault is None or step < model.fault_step:
            return False
        match model.fault:
            case "dies":
                self.end(model, 3)
            case "leaves":
                self.end(model, 0)
            case "error":
                self.say(ModelFailed, model.name, "no such object")
                self.end(model, 1)
            case "silent":
                pass
            case _:
                return False
        return True

    def end(self, model: Model, code: int) -> None:
        model.alive, model.ended = False, True
        self.say(ModelEnded, model.name, code == 0, code, None, ("last line",) if code else ())
        if not any(each.alive for each in self.models.values()):
            self.say(AllEnded)

    # ---- mishaps

    def crash(self) -> None:
        """Podium is killed, and starts again on its journal."""
        self.inbox.clear()
        self.dispatched.clear()
        lived = MACHINE.dump(self.state)
        self.state = self.replayed()
        assert MACHINE.dump(self.state) == lived, "the journal tells another story"
        down = 0.5 + 100.0 * self.luck.pick(3)
        self.now += down
        self.allowed += down + self.state.plan.quiet
        self.link_is_back(fed=False)
        relinked = self.lose_link in self.mishaps and self.luck.pick(2) == 1
        if relinked:
            self.lose_messages()
            self.miss_messages()
        if self.state.phase is Phase.QUEUED:
            self.feed(Started)
            return
        twin = self.from_snapshot()
        self.feed(Resumed, down, relinked)
        twin = MACHINE.apply(twin, self.journal[-1])
        assert twin == self.state, "the snapshot tells another story"
        self.recover()

    def replayed(self) -> State:
        state = MACHINE.initial(self.document)
        for event in self.journal:
            state = MACHINE.apply(state, event)
        return state

    def from_snapshot(self) -> State:
        seq, dumped = self.snapshot or (0, MACHINE.dump(MACHINE.initial(self.document)))
        state = MACHINE.load(self.document, dumped)
        assert MACHINE.dump(state) == dumped
        for event in self.journal[seq:]:
            state = MACHINE.apply(state, event)
        return state

    def lose_link(self) -> None:
        """The broker drops everybody: some of what was on its way is gone for good."""
        self.lose_messages()
        if self.down is not None or self.luck.pick(2) == 0:
            self.link_is_back()
            return
        self.down = self.now
        self.feed(LinkDown)
        self.now += 100.0 * self.luck.pick(3)

    def lose_messages(self) -> None:
        self.inbox = [said for said in self.inbox if said[0] in (Performed, PerformFailed) or self.luck.pick(2)]
        self.outbox = [message for message in self.outbox if self.luck.pick(2)]

    def miss_messages(self) -> None:
        """Models that live may find the broker again later than Podium does."""
        for model in self.models.values():
            if model.alive:
                model.back = self.now + 4.9 * self.luck.pick(2)
        self.outbox = [(model, what) for model, what in self.outbox if not self.deaf(model, what)]

    def link_is_back(self, *, fed: bool = True) -> None:
        """There may be several links, so some was heard meanwhile; `fed` unless Podium was away as well."""
        if self.down is not None:
            self.allowed += self.now - self.down + self.state.plan.quiet
            self.down = None
            if not fed:
                self.miss_messages()
        if fed:
            self.lose_messages()
            self.miss_messages()
            self.feed(LinkLost)
            if self.state.phase.working or self.state.phase.ending:
                self.recover()

    def begin(self) -> None:
        """As the conductor does: who begins while the link is down hears of it."""
        self.feed(Started)
        if self.down is not None:
            self.feed(LinkDown)

    def recover(self) -> None:
        assert not MACHINE.pending(self.state), "nothing may be sent while it is looked what was"
        if self.luck.strikes(10):
            self.now += 6  # a broker that has just begun is slow to tell
            self.allowed += 6
        if self.cancel in self.mishaps and self.luck.strikes(20):
            self.cancel()
        if self.remembers:
            for kind, arguments in self.remembered():
                self.feed(kind, *arguments)
        elif self.luck.pick(2):
            for name in [model.name for model in self.models.values() if model.ended]:
                self.feed(ModelEnded, name, True, 0)
        self.feed(Recovered, self.remembers)

    def remembered(self) -> list[Said]:
        """What a dialect makes of the broker's memory: of version 1, an answer counts if it is behind the last step."""
        said: list[Said] = []
        sent: dict[str, int] = {}
        answered: dict[str, int] = {}
        for kind, arguments in self.stream:
            if kind is StepSent:
                name, number = arguments
                heard = [name] if name else [model.name for model in self.models.values() if model.version == 2]
                for each in heard:
                    sent[each] = number
                    if self.models[each].version == 1:
                        answered.pop(each, None)
                said.append((kind, arguments))
            elif kind is Answered:
                name, number = arguments
                answered[name] = number or sent[name]
            else:
                said.append((kind, arguments))
        answers: list[Said] = [(Answered, (name, number)) for name, number in answered.items()]
        place = next((index for index, (kind, _) in enumerate(said) if kind is ModelEnded), len(said))
        return said[:place] + answers + said[place:]

    def complain(self) -> None:
        """A model says whom it waits for, or for nobody any more; that alone changes nothing."""
        names = list(self.models)
        name = names[self.luck.pick(len(names))]
        models = frozenset(each for each in [*names, "m-99"] if self.luck.pick(2))
        before = MACHINE.dump(self.state), len(self.journal)
        self.feed(StillWaiting, name, self.state.step, models)
        assert (MACHINE.dump(self.state), len(self.journal)) == before
        if self.claimed_in != self.now_in:
            self.claims, self.claimed_in = {}, self.now_in
        if self.state.phase is Phase.STEPPING and name in self.state.live.waiting:
            self.claims[name] = models

    @property
    def now_in(self) -> tuple[int, int]:
        """The step, and which attempt at it: a claim is about one, and forgotten when sight of it is lost."""
        losses = sum(event.type in ("link.lost", "run.resumed") for event in self.journal)
        return self.state.step, losses

    def to_blame(self) -> set[str]:
        """Who has not answered and does not wait for one that has not either; everybody, if all do."""
        waiting = set(self.state.live.waiting)
        claims = self.claims if self.claimed_in == self.now_in else {}
        return {name for name in waiting if not claims.get(name, frozenset()) & waiting} or waiting

    def make_noise(self) -> None:
        """What nobody asked for must change nothing."""
        name = list(self.models)[self.luck.pick(len(self.models))]
        before = MACHINE.dump(self.state), len(self.journal)
        numbered = self.models[name].version == 2
        match self.luck.pick(8):
            case 0 if self.state.phase is not Phase.DEPLOYING:
                self.feed(AllReady)
            case 1:
                self.feed(Answered, "m-99", None)
            case 2 if numbered:
                self.feed(Answered, name, self.state.step - 1)
            case 3 if numbered:
                self.feed(Answered, name, self.state.step + 1)
            case 4:
                self.feed(ModelEnded, "m-99", False, 1)
            case 5 if self.state.phase is not Phase.PARAMETERIZING:
                self.feed(Parameterized, name, 1)
            case 6:
                self.feed(Performed, "step:99")
            case 7:
                self.feed(StepSent, name, self.state.step)
            case _:
                self.feed(DeadlinePassed) if (MACHINE.deadline(self.state) or 1e12) > self.now + 1 else None
        assert (MACHINE.dump(self.state), len(self.journal)) == before

    # ---- time

    def turn(self) -> None:
        if self.luck.byte() < self.calm or not self.mishaps:
            self.go_on()
        else:
            self.mishaps[self.luck.pick(len(self.mishaps))]()

    def cancel(self) -> None:
        self.excuse = "cancelled"
        self.feed(CancelRequested)

    def overtake(self) -> None:
        """Messages of different senders come in another order than they were sent in."""
        if self.inbox:
            kind, arguments = self.inbox.pop(self.luck.pick(len(self.inbox)))
            self.feed(kind, *arguments)

    def come_twice(self) -> None:
        if self.inbox:
            kind, arguments = self.inbox.pop(0)
            self.feed(kind, *arguments)
            if kind is not Answered or arguments[1] is not None:
                self.feed(kind, *arguments)

    def crash_while_performing(self) -> None:
        if commands := self.pending():
            self.perform(commands[0], part=self.luck.pick(4) / 4)
        self.crash()

    def take_snapshot(self) -> None:
        self.snapshot = len(self.journal), MACHINE.dump(self.state)

    def fail_to_perform(self) -> None:
        if commands := self.pending():
            self.perform(commands[0], part=self.luck.pick(4) / 4)
            self.inbox.append((PerformFailed, (commands[0].key, "the broker is away", True)))

    def refuse_to_perform(self) -> None:
        if commands := self.pending():
            self.dispatched.add(commands[0].key)
            self.inbox.append((PerformFailed, (commands[0].key, "there is no such image", False)))
            self.excuse = "a command was refused"

    def go_on(self) -> None:
        if self.state.phase is Phase.QUEUED:
            self.begin()
        elif commands := self.pending():
            self.perform(commands[0])
            self.inbox.append((Performed, (commands[0].key,)))
        elif self.outbox:
            self.hear(*self.outbox.pop(0))
        elif self.inbox:
            kind, arguments = self.inbox.pop(0)
            self.feed(kind, *arguments)
        else:
            self.wait()

    def wait(self) -> None:
        """Nothing comes until the deadline, though something may be on its way."""
        deadline = MACHINE.deadline(self.state)
        if self.state.phase is Phase.QUEUED:
            return
        assert deadline is not None, f"stuck in {self.state.phase}"
        if self.down is not None and not self.luck.strikes(10):
            self.link_is_back()
            return
        if self.state.away is not None:
            assert deadline <= max(self.down or 0.0, self.state.since) + self.state.plan.away_timeout + 1
            self.excuse = "the broker stayed away"
        if self.down is not None and self.state.phase.ending:
            self.cut_off = True
        under_way = self.inbox or self.outbox or self.pending()
        self.punctual = self.punctual and not under_way
        if deadline == self.state.limit and self.state.phase.working and under_way:
            self.excuse = "too late"
        self.now = max(self.now, deadline)
        before = len(self.journal)
        blamed = self.to_blame()
        self.feed(DeadlinePassed)
        for event in self.journal[before:]:
            if event.type == "model.lost":
                assert event.data["model"] in blamed

    def live(self) -> None:
        turns = 0
        while self.state.phase is not Phase.ENDED:
            self.turn()
            turns += 1
            assert turns < 2000, f"no end in sight: {self.state}"
        self.check_end()

    def check_end(self) -> None:
        state, plan = self.state, self.state.plan
        kernel = [STATE_EVENTS[event.type] for event in self.journal if event.type in STATE_EVENTS]
        assert kernel == sorted(kernel, key=list(RunState).index)
        assert [each for each in kernel if each.ended] == [state.outcome]
        assert STATE_EVENTS[self.journal[-1].type] is state.outcome
        assert MACHINE.deadline(state) is None
        assert not MACHINE.pending(state)
        assert MACHINE.dump(self.replayed()) == MACHINE.dump(state)
        self.check_progress()

        within = plan.ready_timeout + (self.steps + 1) * (plan.step_timeout + plan.quiet) + 2 * plan.end_timeout
        if self.down is not None:
            self.allowed += self.now - self.down
        assert self.now - 1000.0 <= within + self.allowed + 60

        if self.excuse is None:
            assert state.outcome is RunState.SUCCEEDED, self.journal[-1]
        if (
            self.remembers
            and self.punctual
            and self.excuse in FAULTS
            and all(one.fault != "silent" for one in self.models.values())
        ):
            innocent = [name for name in state.lost if self.models[name].fault is None]
            assert not innocent, f"{innocent} had nothing to wait for"
        if state.outcome is RunState.SUCCEEDED:
            finished = {event.data["step"] for event in self.journal if event.type == "step.finished"}
            left = [model for model in self.models.values() if model.name not in state.lost]
            due = {step for step in range(1, self.steps + 1) if any(model.due(step) for model in left)}
            assert due <= finished
            if self.excuse is None and self.punctual and not self.cut_off:
                assert self.removed <= self.told_to_finish, "models were removed that could not write their results"
            for model in left:
                last = max((step for step in range(1, self.steps + 1) if model.due(step)), default=0)
                assert model.last == last or (model.version == 1 and not self.punctual), (
                    f"{model.name} did not get to {last}"
                )
        repeated = sorted({event.data["step"] for event in self.journal if event.type == "step.repeated"})
        assert state.repeated == repeated
        blind = {self.lose_link, self.fail_to_perform} & set(self.mishaps) or not self.remembers
        if self.versions == (2,) or not (blind or state.lost):
            assert not repeated, "nothing was in doubt"
        assert self.journal[-1].data.get("repeated", []) == repeated
        assert self.journal[-1].data.get("exact", True) is (not repeated)
        for kind, arguments in [
            (AllReady, ()),
            (CancelRequested, ()),
            (AllEnded, ()),
            (LinkLost, ()),
            (Resumed, (1.0,)),
        ]:
            assert not MACHINE.handle(state, kind(self.now, *arguments))

    def check_progress(self) -> None:
        """What people see is what the machine means."""
        recorded = [Recorded(seq, "r", seq, 0.0, event) for seq, event in enumerate(self.journal, start=1)]
        shown = fold(recorded[3:], fold(recorded[:3]))
        state = self.state
        assert shown.phase is Phase.ENDED
        assert (shown.steps, shown.models) in ((self.steps, len(self.models)), (0, 0))
        assert shown.done == max(state.step - 1, 0)
        assert (dict(shown.lost), shown.repeated, shown.ended) == (state.lost, tuple(state.repeated), state.ended)
        assert shown.error == state.error
