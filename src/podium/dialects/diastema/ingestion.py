"""The body of an ingestion: where data is to be fetched, and as which dataset it is kept."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from podium.dialects.diastema.playbook import label, organisation, refers
from podium.errors import Fault

KEYS = ("ingestion-id", "database-id", "user", "dataset-label", "ingestion_json")

_SECRET = re.compile(r"(?i)passw|secret|token|credential|api.?key|auth|signature|(?:^|[_-])(?:key|pwd|sig)$")


@dataclass(frozen=True, slots=True)
class Ingestion:
    """What could be read of it; the text of ids and names as it stands in paths."""

    organisation: str
    id: str
    label: str
    user: str
    source: dict[str, Any]


def read(given: Mapping[str, Any]) -> tuple[Ingestion, list[Fault]]:
    """The ingestion and every fault in it."""
    faults = [Fault(key, "is missing") for key in KEYS if key not in given]
    testing = given.get("testing", False)
    if not isinstance(testing, bool):
        faults.append(Fault("testing", "must be true or false"))
    bucket = organisation("database-id", given["database-id"], faults) if "database-id" in given else ""
    id_ = label("ingestion-id", given["ingestion-id"], faults) if "ingestion-id" in given else ""
    name = label("dataset-label", given["dataset-label"], faults) if "dataset-label" in given else ""
    user = given.get("user", "")
    if not isinstance(user, str):
        faults.append(Fault("user", "must be text"))
    source = given.get("ingestion_json", {})
    if not isinstance(source, dict):
        faults.append(Fault("ingestion_json", "must be a mapping of keys to values"))
        source = {}
    if refers(source):
        faults.append(Fault("ingestion_json", "$secret, $result and $item stand for other things here"))
    return Ingestion(bucket, id_, name, str(user), source), faults


def put_away(source: Mapping[str, Any], run: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The source with names in place of what should not be read, and what these stand for."""
    shown = copy.deepcopy(dict(source))
    kept: dict[str, str] = {}

    def keep(value: str) -> dict[str, str]:
        name = f"{run}.{len(kept)}"
        kept[name] = value
        return {"$secret": name}

    url = shown.get("url")
    if isinstance(url, str) and _speaks(url):
        shown["url"] = keep(url)
    for part in ("query_params", "headers"):
        values = shown.get(part)
        if isinstance(values, dict):
            for name, value in values.items():
                if isinstance(value, str) and _SECRET.search(name):
                    values[name] = keep(value)
    for name, value in shown.items():
        if isinstance(value, str) and _SECRET.search(name):
            shown[name] = keep(value)
    return shown, kept


def _speaks(url: str) -> bool:
    """Whether a URL has a password in it, or what may be one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in parts.netloc or any(_SECRET.search(pair.partition("=")[0]) for pair in parts.query.split("&"))
