"""A run that is made from another: its jobs may be told something else, and hang together as they did.

What was edited is looked at as what is submitted is, so that nothing runs that could not have been submitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podium.dialects.diastema import ingestion, structure
from podium.dialects.diastema.playbook import read
from podium.dialects.diastema.reading import INGEST, OURS, places
from podium.dialects.diastema.titles import TITLES
from podium.errors import Fault
from podium.faults import in_order, instead, nearest, refuse

Edits = Mapping[str, Mapping[str, Any]]

_STRUCTURE = ("step", "from", "next", "title")
_OF_ALL = ("id", "save")
_OF_INGESTIONS = ("ingestion_json", "user")


def check_analysis(document: Mapping[str, Any]) -> None:
    """Raises: DocumentRefused."""
    about = {key: value for key, value in document["diastema"].items() if key not in OURS}
    playbook = {**about, "jobs": [job["call"] for job in document["flow"]["jobs"].values()]}
    refuse(in_order(structure.check(read(playbook)), playbook))


def check_ingestion(document: Mapping[str, Any]) -> None:
    """Raises: DocumentRefused."""
    call = document["flow"]["jobs"][INGEST]["call"]
    given = {
        "ingestion-id": call["id"],
        "database-id": document["diastema"]["database-id"],
        "user": call["user"],
        "dataset-label": call["label"],
        "ingestion_json": _without_secrets(call["ingestion_json"]),
    }
    _, faults = ingestion.read(given)
    refuse(in_order(faults, given))


def check_edits_of_analysis(document: Mapping[str, Any], edits: Edits) -> None:
    """Raises: DocumentRefused."""
    jobs, place = document["flow"]["jobs"], places(document)
    faults = list(_unknown(edits, jobs))
    for name in place.keys() & edits.keys():
        call = jobs[name]["call"]
        title = TITLES[call["title"]]
        known = dict.fromkeys((*title.keys, *title.options, *_OF_ALL, *call))
        faults += [_fault(f"{place[name]}.{key}", key, known) for key in edits[name] if not _may_be(key, known)]
    refuse(in_order(faults, {"jobs": [job["call"] for job in jobs.values()]}))


def check_edits_of_ingestion(document: Mapping[str, Any], edits: Edits) -> None:
    """Raises: DocumentRefused."""
    faults = list(_unknown(edits, document["flow"]["jobs"]))
    edit = edits.get(INGEST, {})
    for key in edit:
        if key in ("id", "label"):
            faults.append(Fault(key, "stays as it is when an ingestion is run again", "Submit another one"))
        elif key not in _OF_INGESTIONS:
            faults.append(_fault(key, key, dict.fromkeys(_OF_INGESTIONS)))
    source = edit.get("ingestion_json")
    if isinstance(source, dict) and ingestion.put_away(source, "")[1]:
        faults.append(
            Fault("ingestion_json", "has what may be secret in plain text", 'Write {"$private": "value"} instead')
        )
    refuse(faults)


def _unknown(edits: Edits, jobs: Mapping[str, Any]) -> Iterator[Fault]:
    for name in edits:
        if name not in jobs:
            yield Fault("edit", f"there is no job {name!r}", nearest(name, jobs))


def _may_be(key: str, known: Mapping[str, None]) -> bool:
    return key in known and key not in _STRUCTURE


def _fault(where: str, key: str, known: Mapping[str, None]) -> Fault:
    if key in _STRUCTURE:
        return Fault(where, "stays as it is when a playbook is run again", "Submit the changed playbook instead")
    others = [name for name in known if name not in _STRUCTURE]
    return Fault(where, "there is no such key", instead(key, others))


def _without_secrets(value: Any) -> Any:
    match value:
        case {"$secret": str()} if len(value) == 1:
            return ""
        case dict():
            return {key: _without_secrets(item) for key, item in value.items()}
        case list():
            return [_without_secrets(item) for item in value]
    return value
