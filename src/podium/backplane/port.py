"""Where models run, as the rest of Podium sees it: deploy, watch, logs, remove, list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class ModelState(StrEnum):
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    TERMINATED_SUCCESSFULL = "TERMINATED_SUCCESSFULL"  # spelt so on the wire of the field
    TERMINATED_FAILED = "TERMINATED_FAILED"

    @property
    def ended(self) -> bool:
        return self in (ModelState.TERMINATED_SUCCESSFULL, ModelState.TERMINATED_FAILED)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to run.

    Args:
        name: unique on the backplane; lower case letters, digits and `-`, at most 63 characters.
        image: what to run; the process backplane looks it up in the models file.
        env: what the orchestrator sends to it. May hold secrets: kept only where the model itself could read it.
        labels: what it is found by again.
        keep_logs_seconds: how long logs and the dead model's directory stay.
    """

    name: str
    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    keep_logs_seconds: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the backplane sees it now. Times are Unix seconds."""

    name: str
    image: str
    labels: Mapping[str, str]
    state: ModelState
    created: float
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str | None = None
    last_lines: tuple[str, ...] = ()
    keep_logs_seconds: float = 24 * 3600.0


class Backplane(Protocol):
    """One place to run models on."""

    async def start(self) -> None:
        """Take over the models that are there already (of an earlier Podium). Raises: Unavailable."""
        ...

    async def close(self) -> None:
        """Stop watching; the models live on."""
        ...

    def check(self, image: str) -> None:
        """Raises: DocumentRefused, when it is known already that nothing stands for `image` here."""
        ...

    async def deploy(self, spec: ModelSpec) -> Model:
        """Run it. A model of that name that is there already is left as it is and returned.

        Raises: DocumentRefused (bad name, unknown image), Unavailable.
        """
        ...

    async def list(self, labels: Mapping[str, str] | None = None) -> list[Model]:
        """All models, ended ones too while they are kept, that carry at least these labels."""
        ...

    def watch(self) -> AsyncIterator[Model]:
        """First each model there is, then each change of one, as it happens; never polled."""
        ...

    async def logs(self, name: str, *, tail: int | None = None) -> str:
        """What it wrote to stdout and stderr, all or the last lines. Raises: NotFound."""
        ...

    async def remove(self, name: str, *, grace_seconds: float = 5.0) -> None:
        """End it if it lives (SIGTERM, then SIGKILL, for all its processes) and drop all that is kept of it.

        Watchers hear of its end first. An unknown name: nothing happens.
        """
        ...
