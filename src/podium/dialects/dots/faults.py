"""What is wrong with a document, collected, so that one answer names everything there is to put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podium.errors import DocumentRefused

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: in which key (`calculation_services[0].esdl_type`), what, and what helps."""

    where: str
    problem: str
    hint: str | None = None

    def __str__(self) -> str:
        return str(DocumentRefused(self.problem, where=self.where or None, hint=self.hint))


def refuse(faults: Sequence[Fault]) -> None:
    """Raises: DocumentRefused, if there is any fault; it names them all."""
    if not faults:
        return
    if len(faults) == 1:
        raise DocumentRefused(faults[0].problem, where=faults[0].where or None, hint=faults[0].hint)
    listed = "; ".join(str(fault) for fault in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    places = dict.fromkeys(fault.where for fault in faults[:SHOWN] if fault.where)
    raise DocumentRefused(f"{len(faults)} faults: {listed}{more}", where=", ".join(places) or None)
