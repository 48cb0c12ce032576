"""What pyESDL knows about the types of energy systems, asked by name.

pyESDL takes seconds to load a large document, so only its metamodel is used: which types there are, which are kinds
of which, and of what type an element is that does not say so itself. It is imported when first asked: that takes time.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from types import ModuleType
from typing import Any, cast


@lru_cache(maxsize=1)
def _esdl() -> ModuleType:
    import esdl  # type: ignore[import-untyped]

    return cast("ModuleType", esdl)


def warm() -> None:
    """Import it now, so that the first document need not wait."""
    _classes()


def namespace() -> str:
    return str(_esdl().nsURI)


@lru_cache(maxsize=1)
def _classes() -> dict[str, Any]:
    from pyecore.ecore import EClass  # type: ignore[import-untyped]

    return {found.name: found for found in _esdl().eClass.eClassifiers if isinstance(found, EClass)}


def is_type(name: str) -> bool:
    return name in _classes()


def close_to(name: str) -> list[str]:
    """The types that somebody may have meant by `name`, the closest first."""
    folded = {known.lower(): known for known in _classes()}
    return [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3)]


@lru_cache(maxsize=512)
def kinds_of(name: str) -> frozenset[str]:
    """The types that are kinds of `name`, without itself."""
    return frozenset(
        found.name for found in _classes().values() if any(parent.name == name for parent in found.eAllSuperTypes())
    )


@lru_cache(maxsize=4096)
def part(owner: str | None, feature: str) -> str | None:
    """The type of an element `feature` inside an object of type `owner`; None where it is no object, or not known."""
    found = _classes().get(owner) if owner else None
    reference = found.findEStructuralFeature(feature) if found else None
    if reference is None or not getattr(reference, "containment", False):
        return None
    kind = reference.eType
    return str(kind.name if kind in _classes().values() else kind.eClass.name)
