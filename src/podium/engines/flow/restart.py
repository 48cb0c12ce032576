"""A run again, from wherever one likes: what need not be performed again is taken from the run before.

The new run has a journal of its own; what it reuses stands in its document, so nothing needs the old one any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from podium.engines.flow import nodes
from podium.engines.flow.document import FlowDocument
from podium.engines.flow.messages import LAST
from podium.errors import DocumentRefused, Fault
from podium.faults import nearest
from podium.runs.events import Json, Recorded


def restarted(
    document: Mapping[str, Any],
    events: Iterable[Recorded],
    *,
    start: Collection[str] = (),
    edits: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The document of a new run.

    Performed again are the jobs in `start`, those with edits, those that did not succeed, and all behind any of them.

    Args:
        document: what the run before was made from.
        events: what happened in it.
        start: jobs, or items of jobs: these are performed for all items again.
        edits: by job (or `last`), what is to be different in its `call`.

    Raises: DocumentRefused, naming every job there is not.
    """
    flow = FlowDocument.model_validate(document["flow"])
    edits = edits or {}
    first = {name for name, _ in (nodes.asked(node) or (node, None) for node in start)}
    _check(flow, first, edits)
    results = _results(flow, events)
    again = _behind(flow, {*first, *edits} | (flow.jobs.keys() - results.keys()))
    fresh: dict[str, Any] = {**document["flow"]}
    fresh["jobs"] = {name: _edited(job, edits.get(name)) for name, job in fresh["jobs"].items()}
    if flow.last is not None:
        fresh["last"] = _edited(fresh["last"], edits.get(LAST))
    fresh["reuse"] = {name: result for name, result in results.items() if name not in again}
    return {**document, "flow": fresh}


def _check(flow: FlowDocument, start: Collection[str], edits: Mapping[str, Any]) -> None:
    known = {**flow.jobs, LAST: flow.last} if flow.last is not None else flow.jobs
    asked = [*(("from", name) for name in sorted(start)), *(("edit", name) for name in edits)]
    faults = [Fault(by, f"there is no job {name!r}", nearest(name, known)) for by, name in asked if name not in known]
    if faults:
        raise DocumentRefused("this run cannot be started again so", faults=faults)


def _results(flow: FlowDocument, events: Iterable[Recorded]) -> dict[str, Json]:
    """What each job returned that succeeded; of a job with items, the list of all."""
    results: dict[str, Json] = {}
    items: dict[str, list[Json]] = {}
    left: dict[str, int] = {}
    for recorded in events:
        data = recorded.event.data
        match recorded.event.type:
            case "jobs.reused":
                results |= {name: flow.reuse[name] for name in data["jobs"]}
            case "job.expanded":
                items[data["job"]], left[data["job"]] = [None] * data["items"], data["items"]
            case "job.succeeded":
                name, index = nodes.split(data["job"])
                if index is None:
                    results[name] = data["result"]
                else:
                    items[name][index] = data["result"]
                    left[name] -= 1
    results |= {name: found for name, found in items.items() if not left[name]}
    results.pop(LAST, None)
    return results


def _behind(flow: FlowDocument, jobs: Collection[str]) -> set[str]:
    """These and all that come after them."""
    dependents: dict[str, list[str]] = {}
    for name, job in flow.jobs.items():
        for before in job.after:
            dependents.setdefault(before, []).append(name)
    found = set(jobs)
    waiting = list(found)
    while waiting:
        new = set(dependents.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def _edited(job: Mapping[str, Any], edit: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**job, "call": {**job.get("call", {}), **edit}} if edit else dict(job)
