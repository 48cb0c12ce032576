"""The family of errors a user may see: each says what was wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: in which key (`calculation_services[0].esdl_type`), what, and what helps."""

    where: str
    what: str
    hint: str | None = None

    def __str__(self) -> str:
        return str(PodiumError(self.what, where=self.where or None, hint=self.hint))

    def as_json(self) -> dict[str, str]:
        full = {"where": self.where, "what": self.what, "hint": self.hint}
        return {key: value for key, value in full.items() if value is not None}


class PodiumError(Exception):
    """Base of every error that Podium raises on purpose.

    Args:
        problem: what is wrong, in one sentence without a full stop.
        where: the place it was found (a key of a document, a topic, a file), if there is one.
        hint: what the user can do next.
        faults: what is wrong in particular, where that is more than one thing.
    """

    def __init__(
        self, problem: str, *, where: str | None = None, hint: str | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        self.problem = problem
        self.where = where
        self.hint = hint
        self.faults = tuple(faults)
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        faults = f": {'; '.join(map(str, self.faults))}" if self.faults else ""
        advice = f". {self.hint}" if self.hint else ""
        return f"{place}{self.problem}{faults}{advice}"


class DocumentRefused(PodiumError):
    """A document or a call that cannot be run as it stands (422 on HTTP, exit code 2 on the terminal)."""


class NotFound(PodiumError):
    """What was asked for does not exist (404)."""


class Conflict(PodiumError):
    """The state of things does not allow it (409)."""


class NotAllowed(PodiumError):
    """The caller has not shown who they are, or may not do this (401)."""


class TooManyAttempts(NotAllowed):
    """The caller has guessed too often (429)."""


class Unavailable(PodiumError):
    """A part that is needed (broker, database, cluster) cannot be reached now; trying again may help (503)."""


class Gone(Unavailable):
    """The Podium that was asked is ending or has ended; who owns its data directory next can be asked (503)."""


class SettingsError(PodiumError):
    """A setting is missing, unknown or contradicts another."""


class LeaseLost(PodiumError):
    """Another owner has taken over this data directory; this process may write no more."""


class JournalDamaged(PodiumError):
    """The journal holds a record that cannot be what was written."""
