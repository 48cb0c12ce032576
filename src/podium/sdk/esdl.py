"""The energy system as a calculation sees it: objects with an id, what they contain and what they are connected to.

The standard library's parser is enough for that, and a model starts in a tenth of the time that the full library takes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn
from xml.etree import ElementTree as ET

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


class EsdlError(ValueError):
    """The energy system cannot be read, or lacks what was asked of it."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of an object. `connected_to` are the ids of ports, whichever end the file names them at."""

    id: str
    type: str
    name: str
    connected_to: tuple[str, ...]


class EsdlObject:
    """One object of the energy system: a home, a panel, a transformer."""

    def __init__(self, element: ET.Element, parent: EsdlObject | None, system: EnergySystem) -> None:
        self.element = element  # for what has no name of its own here: profiles, costs, sectors
        self.parent = parent  # the object that contains this one
        self._system = system

    @property
    def id(self) -> str:
        return self.element.attrib["id"]

    @property
    def name(self) -> str:
        return self.element.get("name", self.id)

    @cached_property
    def type(self) -> str:
        return _type(self.element)

    @property
    def attributes(self) -> Mapping[str, str]:
        """As they stand in the file; what the file leaves out is not here."""
        return self.element.attrib

    def number(self, attribute: str, default: float | None = None) -> float:
        """An attribute as a number.

        Raises:
            EsdlError: the object lacks it and there is no default, or it is not a number.
        """
        text = self.element.get(attribute)
        if text is None:
            if default is None:
                raise EsdlError(f"{self} has no attribute '{attribute}'; the ESDL file must give it")
            return default
        try:
            return float(text)
        except ValueError:
            raise EsdlError(f"attribute '{attribute}' of {self} is '{text}', not a number") from None

    @property
    def ports(self) -> tuple[Port, ...]:
        return tuple(self._system.port(element) for element in self.element.findall("port") if "id" in element.attrib)

    @property
    def connected(self) -> tuple[EsdlObject, ...]:
        """The objects at the other end of its ports, each once."""
        return self._system.connected(self)

    @property
    def upstream(self) -> tuple[EsdlObject, ...]:
        """The objects that feed its InPorts, each once."""
        return self._system.connected(self, "InPort")

    @property
    def downstream(self) -> tuple[EsdlObject, ...]:
        """The objects that its OutPorts feed, each once."""
        return self._system.connected(self, "OutPort")

    @property
    def ancestors(self) -> Iterator[EsdlObject]:
        """What contains it, from the inside out."""
        parent = self.parent
        while parent is not None:
            yield parent
            parent = parent.parent

    @cached_property
    def location(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees: its own, else of what contains it, else unknown."""
        for place in (self, *self.ancestors):
            for geometry in place.element.iterfind("geometry"):
                if _type(geometry) == "Point" and geometry.get("CRS", "WGS84") == "WGS84":
                    return float(geometry.get("lat", "nan")), float(geometry.get("lon", "nan"))
        return None

    def __str__(self) -> str:
        return f"{self.type} '{self.name}' ({self.id})" if self.name != self.id else f"{self.type} '{self.id}'"

    __repr__ = __str__


class EnergySystem:
    """All objects of an ESDL file that have an id, in document order."""

    def __init__(self, xml: bytes | str) -> None:
        """Raises: EsdlError, when this is not XML or declares a document type."""
        parser = ET.XMLParser(target=_WithoutDoctype())  # noqa: S314 (entities need a document type, which is refused)
        try:
            parser.feed(xml)
            root = parser.close()
        except ET.ParseError as error:
            raise EsdlError(f"the ESDL file is not well-formed XML: {error}") from None
        self.objects: dict[str, EsdlObject] = {}
        self._by_type: dict[str, list[EsdlObject]] = {}
        self._owner: dict[str, EsdlObject] = {}
        self._links: dict[str, dict[str, None]] = {}
        self._read(root, None)

    @classmethod
    def from_base64(cls, text: str) -> EnergySystem:
        """The energy system out of its wire form; padding may be missing. Raises: EsdlError."""
        try:
            xml = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise EsdlError(f"the ESDL file is not proper base64: {error}") from None
        return cls(xml)

    def of_type(self, esdl_type: str) -> tuple[EsdlObject, ...]:
        """The objects of exactly this type, in document order."""
        return tuple(self._by_type.get(esdl_type, ()))

    def port(self, element: ET.Element) -> Port:
        port = element.attrib["id"]
        return Port(port, _type(element), element.get("name", ""), tuple(self._links.get(port, ())))

    def connected(self, thing: EsdlObject, port_type: str | None = None) -> tuple[EsdlObject, ...]:
        """The objects at the other end of its ports, or of those of one type (`InPort`, `OutPort`), each once."""
        ports = (port for port in thing.ports if port_type in (None, port.type))
        owners = (self._owner.get(far) for port in ports for far in port.connected_to)
        return tuple({owner.id: owner for owner in owners if owner is not None}.values())

    def _read(self, root: ET.Element, container: EsdlObject | None) -> None:
        todo = [(root, container)]  # no recursion: files nest as deep as they like
        while todo:
            element, container = todo.pop()
            inside = container
            if element.tag == "port":
                self._read_port(element, container)
            elif "id" in element.attrib:
                inside = EsdlObject(element, container, self)
                if inside.id not in self.objects:
                    self.objects[inside.id] = inside
                    self._by_type.setdefault(inside.type, []).append(inside)
            todo += [(child, inside) for child in reversed(element)]

    def _read_port(self, element: ET.Element, owner: EsdlObject | None) -> None:
        port = element.get("id")
        if port is None or owner is None:
            return
        self._owner[port] = owner
        for far in element.get("connectedTo", "").split():
            self._links.setdefault(port, {})[far] = None
            self._links.setdefault(far, {})[port] = None


class _WithoutDoctype(ET.TreeBuilder):
    """Refuses the declaration that entities, internal and external, would need."""

    def doctype(self, *_: str | None) -> NoReturn:
        raise EsdlError("the ESDL file declares a document type (DOCTYPE), which is refused")


def _type(element: ET.Element) -> str:
    """Its class: `esdl:PVInstallation` is PVInstallation; where the tag says it all, `area` is Area."""
    given = element.get(_XSI_TYPE)
    if given is not None:
        return given.rpartition(":")[2]
    tag = element.tag.rpartition("}")[2]
    return tag[:1].upper() + tag[1:]
