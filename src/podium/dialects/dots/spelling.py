"""Keys that are nearly ours, and keys that nobody reads.

A key that must be there and is misspelt is taken for the one that was meant, so that all else is looked at as well.
Strange keys are let be: bodies of other orchestrators have keys of their own, and models read some.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from podium.dialects.dots.document import Body, CalculationService, DeclaredCalculation
from podium.errors import Fault
from podium.faults import misspelt

ESDL_FILE = "esdl_file"
_LONGEST = 60  # characters of a key that may be near one of ours
_NEEDED = [name for name, field in CalculationService.model_fields.items() if field.is_required()]


@dataclass(slots=True)
class Meant:
    """What a document is taken for.

    Args:
        given: the document, with keys as they should be.
        faults: those that should be otherwise.
        spelt: places as they should be, and as they are.
    """

    given: dict[str, Any]
    faults: list[Fault] = field(default_factory=list)
    spelt: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, posted: Mapping[str, Any]) -> Meant:
        meant = cls({})
        meant.given = meant._renamed("", posted, Body.model_fields)
        services = meant.given.get("calculation_services")
        if isinstance(services, list):
            meant.given["calculation_services"] = [
                meant._renamed(f"calculation_services[{index}].", one, _NEEDED) if isinstance(one, dict) else one
                for index, one in enumerate(services)
            ]
        return meant

    def as_posted(self, fault: Fault) -> Fault:
        """The same, at the place where the document has it."""
        where = fault.where
        for should, posted in reversed(self.spelt.items()):  # inner keys first: their places name the outer as meant
            rest = where.removeprefix(should)
            if rest != where and rest[:1] in ("", ".", "["):
                where = f"{posted}{rest}"
        return Fault(where, fault.what, fault.hint)

    def _renamed(self, where: str, posted: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
        near: dict[str, str] = {}
        for key, name in misspelt(posted, names).items():
            if name not in near.values():
                near[key] = name
        self.faults += [Fault(f"{where}{key}", "there is no such key", f"Did you mean {near[key]}?") for key in near]
        self.spelt |= {f"{where}{name}": f"{where}{key}" for key, name in near.items()}
        return {near.get(key, key): value for key, value in posted.items()}


def unread(given: Mapping[str, Any]) -> Iterator[Fault]:
    """Advice on the keys that Podium does not know, of a document that can be run."""
    yield from _strange("", given, (*Body.model_fields, ESDL_FILE), "Podium does not read this key")
    services = given.get("calculation_services")
    for index, service in enumerate(services if isinstance(services, list) else ()):
        where = f"calculation_services[{index}]"
        handed_on = "Podium does not read this key, and hands it on to the models"
        yield from _strange(f"{where}.", service, CalculationService.model_fields, handed_on)
        for number, one in enumerate(service.get("calculations") or ()):
            place = f"{where}.calculations[{number}]."
            yield from _strange(place, one, DeclaredCalculation.model_fields, handed_on)


def _strange(where: str, given: Mapping[str, Any], known: Collection[str], what: str) -> Iterator[Fault]:
    for key in given:
        if key not in known:
            near = get_close_matches(key, known, 1, 0.8) if len(key) <= _LONGEST else []
            yield Fault(f"{where}{key}", what, f"Did you mean {near[0]}?" if near else None)
