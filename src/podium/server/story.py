"""What became of a run so far, told from its events; read on from where it was read last."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from podium.runs.events import Json, Recorded, Run
from podium.runs.journal import PAGE, Journal

KEPT = 64
NOTABLE = 200


@dataclass(slots=True)
class Story:
    """How far a run is, and what happened in it beside steps that went well (the last `NOTABLE` of it).

    A kind of run without steps has a total of 0.
    """

    done: int = 0
    total: int = 0
    models: int = 0
    repeated: int = 0
    position: int = 0
    notable: deque[Recorded] = field(default_factory=lambda: deque(maxlen=NOTABLE))

    def take(self, recorded: Recorded) -> None:
        data = recorded.event.data
        self.position = recorded.position
        match recorded.event.type:
            case "step.finished":
                self.done = data["step"] + data.get("skipped", 0)
                return
            case "run.started":
                self.total, self.models = data.get("steps", 0), data.get("models", 0)
            case "step.repeated":
                self.repeated += 1
        self.notable.append(recorded)

    def progress(self) -> dict[str, Json]:
        return {"done": self.done, "total": self.total, "models": self.models, "repeated": self.repeated}


class Stories:
    """The stories of the runs that were asked for lately."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: OrderedDict[str, Story] = OrderedDict()

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
