"""What conducts a run: a pure machine, fed inputs, answering with events and commands.

A machine has no clock, no I/O and no randomness, so the same journal always leads to the same state, and thousands of
histories can be generated against it in a second. The conductor owns everything a machine may not do.

    input ──handle──▶ events ──(journal)──apply──▶ state ──pending──▶ commands ──(performer)──▶ inputs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from podium.runs.events import Event, Json

S = TypeVar("S")

# The message of the cancellation (`task.cancel(DETACHED)`) of a command that is still wanted: whoever conducts the run
# goes away, the next one asks for it again. Without it, what was begun is to be ended.
DETACHED = "detached"


@dataclass(frozen=True, slots=True)
class Input:
    """Something a machine is told. `now` is Unix seconds, as the conductor saw it."""

    now: float


@dataclass(frozen=True, slots=True)
class Started(Input):
    """The run may begin: it is at the head of its lane."""


@dataclass(frozen=True, slots=True)
class Resumed(Input):
    """Podium is back after `down` seconds away; deadlines must move by as much.

    Args:
        relinked: the bus was away meanwhile as well: anything on its way may be lost.
    """

    down: float
    relinked: bool = False


@dataclass(frozen=True, slots=True)
class LinkDown(Input):
    """The bus is away: nobody is heard before it is back, and `LinkLost` tells that it is."""


@dataclass(frozen=True, slots=True)
class LinkLost(Input):
    """The bus was away and is back: anything on its way meanwhile may be lost."""


@dataclass(frozen=True, slots=True)
class Recovered(Input):
    """All that could be found out about a time away has been fed; `complete` says whether it is known to be all."""

    complete: bool = False


@dataclass(frozen=True, slots=True)
class DeadlinePassed(Input):
    """The time that `Machine.deadline` gave has come."""


@dataclass(frozen=True, slots=True)
class CancelRequested(Input):
    """Somebody wants the run to end."""

    reason: str = "cancelled by the user"


@dataclass(frozen=True, slots=True)
class Performed(Input):
    """A command was carried out. Machines of job graphs read its `result`."""

    key: str
    result: Json = None


@dataclass(frozen=True, slots=True)
class PerformFailed(Input):
    """A command could not be carried out; `transient` says that trying again may help."""

    key: str
    reason: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """Something a machine wants done. Engines subclass it with the data that is needed.

    `(run, key)` identifies it for good: a performer may be asked twice for the same key, and doing so must be safe.
    One that is `abandonable` is cancelled where it is performed as soon as it is not pending any more.
    """

    abandonable: ClassVar[bool] = False

    key: str


class Machine(Protocol[S]):
    """The protocol of the three engines.

    `apply` may change the state it is given and return it: the conductor hands over its only reference.
    """

    def initial(self, document: Mapping[str, Any]) -> S:
        """The state of a run of `document` that was submitted; run.submitted itself is not applied."""
        ...

    def handle(self, state: S, what: Input) -> Sequence[Event]:
        """The events that follow from `what`; does not change `state`. An unwanted input yields none."""
        ...

    def apply(self, state: S, event: Event) -> S:
        """The state after `event`."""
        ...

    def pending(self, state: S) -> Sequence[Command]:
        """The commands that are due and not confirmed; cheap, asked after every batch of inputs."""
        ...

    def deadline(self, state: S) -> float | None:
        """When (Unix seconds) the machine wants `DeadlinePassed`, if nothing else happens.

        A time that has passed has it come at once, behind the inputs at hand, until the machine names a later one: so
        what follows from many inputs can be decided for all of them together.
        """
        ...

    def dump(self, state: S) -> Json:
        """The state as JSON, for a snapshot."""
        ...

    def load(self, document: Mapping[str, Any], snapshot: Json) -> S:
        """The state that `dump` gave."""
        ...


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a performer could find out about a run that was under way when Podium (or the bus) was away.

    Args:
        inputs: what happened meanwhile, as the inputs that would have been fed, in order; they go in first.
        complete: whether these are known to be all; if not, the machine has to ask again.
    """

    inputs: Sequence[Input] = field(default_factory=tuple)
    complete: bool = False


class Performer(Protocol):
    """Carries out the commands of one kind of run. A dialect provides it."""

    async def perform(self, run: str, document: Mapping[str, Any], command: Command) -> Input | None:
        """Do it, and say so: usually `Performed`. None means that the answer comes as a later input.

        Raises:
            PodiumError: it cannot be done; the conductor feeds `PerformFailed` with the message.
        """
        ...

    async def recover(self, run: str, document: Mapping[str, Any]) -> Recovery:
        """Look for what was missed; asked after a restart and a lost link, before commands are performed again."""
        ...

    async def released(self, run: str) -> None:
        """The run has ended: forget what was kept for it."""
        ...
