"""What became of a run so far, told from its events; read on from where it was read last."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from podium.engines.simulation.progress import Progress, fold
from podium.runs.events import Json, Recorded, Run
from podium.runs.journal import PAGE, Journal

KEPT = 64
COUNTED = 1024
FIRST = 8  # events, among which is a run's start
NOTABLE = 200


@dataclass(slots=True)
class Story:
    """How far a run is, and what happened in it beside steps that went well (the last `NOTABLE` of it).

    There is no progress before the start, and none in a run that has no steps.
    """

    progress: Progress | None = None
    position: int = 0
    notable: deque[Recorded] = field(default_factory=lambda: deque(maxlen=NOTABLE))

    def take(self, recorded: Recorded) -> None:
        self.position = recorded.position
        if self.progress is not None or "steps" in recorded.event.data:
            self.progress = fold((recorded,), self.progress)
        if recorded.event.type != "step.finished":
            self.notable.append(recorded)


class Stories:
    """The stories of the runs that were asked for lately."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: OrderedDict[str, Story] = OrderedDict()
        self._steps: OrderedDict[str, int | None] = OrderedDict()

    async def shown(self, run: Run) -> dict[str, Json]:
        """A run as the API has it, with its progress."""
        progress = (await self.of(run)).progress
        return run.as_json() if progress is None else {**run.as_json(), "progress": progress.as_json()}

    async def steps(self, run: Run) -> int | None:
        """How many steps an ended run was to have, without reading all of its story."""
        if run.id not in self._steps:
            first = await self._journal.events(run.id, limit=FIRST)
            self._steps[run.id] = next((one.event.data["steps"] for one in first if "steps" in one.event.data), None)
            if len(self._steps) > COUNTED:
                self._steps.popitem(last=False)
        return self._steps[run.id]

    async def of(self, run: Run) -> Story:
        story = self._known.setdefault(run.id, Story())
        self._known.move_to_end(run.id)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        while True:
            page = await self._journal.events(run.id, after=story.position)
            for recorded in page:
                if recorded.position > story.position:  # else somebody else has read the same page meanwhile
                    story.take(recorded)
            if len(page) < PAGE:
                return story
