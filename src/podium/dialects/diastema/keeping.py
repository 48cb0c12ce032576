"""Where in the artifact store people find what a job has left there."""

from __future__ import annotations

from collections.abc import Sequence

from podium.dialects.diastema.kinds import PLOTS
from podium.dialects.diastema.titles import TITLES
from podium.dialects.port import Kept
from podium.runs.events import Json


def kept(result: Json) -> Sequence[Kept]:
    """By the result of a job; what services have drawn of it as well."""
    match result:
        case {"title": str(title), "path": str(path), "id": str(id_)} if title in TITLES and TITLES[title].record:
            own = Kept(TITLES[title].record, path)
            return [own] if path.startswith(f"{PLOTS}/") else [own, Kept("plots", f"{PLOTS}/{id_}")]
        case {"path": str(path), "features": _}:
            return [Kept("dataset", path)]
    return ()
