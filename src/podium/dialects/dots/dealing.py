"""Deals the objects of an energy system to the models that are to calculate them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podium.dialects.dots import metamodel
from podium.dialects.dots.esdl import Found, Inventory
from podium.dialects.dots.names import model_id, uncarried
from podium.errors import Fault

NAMED = 3


LONGEST_ID = 1000  # a topic has at most 65,535 bytes, and more in it than an id


@dataclass(frozen=True, slots=True)
class Share:
    """What one service asks for: `number` models for all objects of `kind`, 0 for a model per object."""

    where: str
    service: str
    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class Hand:
    """A model, and the ids of the objects it is in charge of."""

    model: str
    service: int
    esdl_ids: tuple[str, ...]


def deal(stock: Inventory, shares: Sequence[Share]) -> tuple[list[Hand], list[Fault]]:
    """The models of all services, in the order of services; or what keeps the objects from being dealt."""
    hands: list[Hand] = []
    faults: list[Fault] = []
    for index, share in enumerate(shares):
        found = stock.objects.get(share.kind, ())
        wrong = _faults(share, found, stock)
        faults += wrong
        if wrong:
            continue
        ids = [one.id for one in found if one.id is not None]
        size = -(-len(ids) // share.number) if share.number else 1
        hands += [
            Hand(model_id(share.service, number), index, tuple(ids[start : start + size]))
            for number, start in enumerate(range(0, len(ids), size), 1)
        ]
    return hands, faults


def unknown_types(shares: Sequence[Share]) -> list[Fault]:
    """What can be said of the services while there is no energy system to look at."""
    return [_unknown(share) for share in shares if not metamodel.is_type(share.kind)]


def _unknown(share: Share) -> Fault:
    close = metamodel.close_to(share.kind)
    hint = f"Did you mean {' or '.join(close)}?" if close else "Types are spelt as in ESDL, such as PVInstallation"
    return Fault(f"{share.where}.esdl_type", f"ESDL has no type {share.kind!r}", hint)


def _faults(share: Share, found: Sequence[Found], stock: Inventory) -> list[Fault]:
    where = f"{share.where}.esdl_type"
    if not found and not metamodel.is_type(share.kind):
        return [_unknown(share)]
    if not found:
        return [Fault(where, f"the ESDL has no object of type {share.kind}", _instead_of(share.kind, stock))]
    return _identity_faults(where, share.kind, found, stock)


def _identity_faults(where: str, kind: str, found: Sequence[Found], stock: Inventory) -> list[Fault]:
    faults = []
    nameless = [f"{one.name!r}" if one.name else f"no. {n}" for n, one in enumerate(found, 1) if one.id is None]
    if nameless:
        faults.append(Fault(where, f"{_some(kind, nameless)} without an id in the ESDL", "Give each object its own id"))
    ids = dict.fromkeys(one.id for one in found if one.id is not None)
    repeated = [repr(one) for one in ids if one in stock.repeated]
    if repeated:
        faults.append(
            Fault(
                where, f"{_some(kind, repeated)} with an id that occurs more than once", "Give each object its own id"
            )
        )
    bad = [f"{one!r} ({characters})" for one in ids if (characters := uncarried(one))]
    bad += [f"{one[:20]!r}… ({len(one)} characters, more than {LONGEST_ID})" for one in ids if len(one) > LONGEST_ID]
    if bad:
        hint = "Ids are levels of topics: use letters, digits, -, _ and the like"
        faults.append(Fault(where, f"{_some(kind, bad)} with an id that the broker cannot carry", hint))
    return faults


def _instead_of(kind: str, stock: Inventory) -> str:
    kinds = metamodel.kinds_of(kind)
    near = [f"{name} ({count})" for name, count in sorted(stock.counts.items()) if name in kinds]
    if near:
        return f"It has kinds of it, which a service asks for by their own type: {', '.join(near)}"
    return "Leave the service out, or use an ESDL that has such objects"


def _some(kind: str, shown: Sequence[str]) -> str:
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return f"{kind} {', '.join(shown[:NAMED])}{more}"
