"""Reads an energy system: which objects there are of the types that services ask for, in the order of the document.

The document is a stranger's. It is walked as a stream, so a large one costs neither a tree nor much time, and it may
not declare anything: a DOCTYPE is where entity bombs and references to other files start, and ESDL has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree  # type: ignore[import-untyped]

from podium.dialects.dots import metamodel
from podium.errors import Fault

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PIECE = 1 << 16
ESDL_HINT = "Save it again from the ESDL editor, or check it with an XML tool"


class Unreadable(Exception):
    """This is no ESDL."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.fault = Fault("esdl_base64string", problem, hint)


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the document has it."""

    id: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a document holds.

    Args:
        objects: for each type asked for, its objects in document order.
        counts: how many objects there are, by type.
        repeated: ids that more than one object has.
    """

    objects: Mapping[str, Sequence[Found]]
    counts: Mapping[str, int]
    repeated: frozenset[str]


class _Walk:
    """Follows the parser from element to element; `lxml` calls its methods."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self.objects: dict[str, list[Found]] = {kind: [] for kind in wanted}
        self.counts: Counter[str] = Counter()
        self.repeated: set[str] = set()
        self._ids: set[str] = set()
        self._open: list[str | None] = []

    def doctype(self, *_declared: str | None) -> None:
        raise Unreadable("the ESDL has a DOCTYPE, which Podium does not read", "Remove the DOCTYPE and its entities")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        stated = attributes.get(_XSI_TYPE)
        kind: str | None
        if not self._open:
            kind = self._root(tag)
        elif "href" in attributes:
            kind = None  # a reference to an object elsewhere
        elif stated:
            kind = stated.rpartition(":")[2]
        else:
            kind = metamodel.part(self._open[-1], tag)
        self._open.append(kind)
        if kind is None:
            return
        self.counts[kind] += 1
        given = attributes.get("id") or None
        if given is not None:
            if given in self._ids:
                self.repeated.add(given)
            self._ids.add(given)
        if kind in self.objects:
            self.objects[kind].append(Found(given, attributes.get("name")))

    def end(self, _tag: str) -> None:
        self._open.pop()

    def close(self) -> Inventory:
        return Inventory(self.objects, self.counts, frozenset(self.repeated))

    @staticmethod
    def _root(tag: str) -> str:
        name = etree.QName(tag)
        if name.localname != "EnergySystem" or name.namespace != metamodel.namespace():
            raise Unreadable(
                f"this is XML but not ESDL: its root is {name.localname!r}",
                f"The root must be EnergySystem in the namespace {metamodel.namespace()}",
            )
        return str(name.localname)


def take_stock(document: bytes, wanted: Iterable[str]) -> Inventory:
    """What `document` holds of the `wanted` types.

    Raises: Unreadable.
    """
    # Fed in pieces, the parser keeps its own limits (depth, length of a name or value) without one for the whole.
    parser = etree.XMLParser(target=_Walk(wanted), resolve_entities=False, load_dtd=False, no_network=True)
    try:
        for start in range(0, len(document), _PIECE):
            parser.feed(document[start : start + _PIECE])
        stock: Inventory = parser.close()
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"the ESDL is not well-formed XML: {error.msg}", ESDL_HINT) from None
    return stock
