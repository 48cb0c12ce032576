"""What is wrong with a graph of jobs, all of it at once, each fault with its place.

Dialects look here before they accept a document; the machine looks again when the run starts, because a graph that
waits for itself would never end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

from podium.engines.flow.document import FlowDocument, JobDocument
from podium.engines.flow.messages import LAST
from podium.engines.flow.nodes import PUNCTUATION
from podium.engines.flow.wording import chain
from podium.errors import Fault

MOST_CYCLES = 10  # that are told; each is searched for anew


def check_graph(flow: FlowDocument) -> list[Fault]:
    """Every fault; none if the graph can be performed."""
    faults = [fault for name in flow.jobs for fault in _name(name)]
    for name, job in flow.jobs.items():
        faults += _edges(flow, f"jobs.{name}", name, job)
    if flow.last is not None:
        faults += _edges(flow, LAST, LAST, flow.last)
        if flow.last.each is not None:
            faults.append(Fault(f"{LAST}.each", "the last job is performed once"))
    faults += [Fault(f"reuse.{name}", _UNKNOWN) for name in flow.reuse if name not in flow.jobs]
    faults += [
        Fault(f"jobs.{cycle[0]}.after", f"these jobs wait for each other: {chain(cycle)}") for cycle in _cycles(flow)
    ]
    return faults


_UNKNOWN = "there is no such job"


def _name(name: str) -> Iterator[Fault]:
    where = f"jobs.{name}"
    if not name.strip():
        yield Fault(where, "a job needs a name")
    elif name == LAST:
        yield Fault(where, f"{LAST!r} is the name of the job that comes after all others", "Choose another name")
    elif not name.isprintable() or any(sign in name for sign in PUNCTUATION):
        signs = " ".join(PUNCTUATION)
        yield Fault(where, "this cannot be the name of a job", f"Leave out {signs} and unprintable characters")


def _edges(flow: FlowDocument, where: str, name: str, job: JobDocument) -> Iterator[Fault]:
    seen = set()
    for before in job.after:
        if before in seen:
            yield Fault(f"{where}.after", f"{before!r} is named twice")
        elif before == name:
            yield Fault(f"{where}.after", "the job waits for itself")
        elif before not in flow.jobs:
            yield Fault(f"{where}.after", f"{_UNKNOWN} as {before!r}")
        seen.add(before)
    if job.each is not None and job.each not in seen:
        yield Fault(f"{where}.each", f"{job.each!r} is not one of the jobs named by `after`")


def _cycles(flow: FlowDocument) -> Iterator[list[str]]:
    """Jobs that wait for each other, each after the one behind it."""
    graph = {name: [each for each in job.after if each != name] for name, job in flow.jobs.items()}
    for _ in range(MOST_CYCLES):
        cycle = _cycle(graph)
        if not cycle:
            return
        yield cycle
        for name in cycle:
            graph.pop(name, None)
        graph = {name: [each for each in after if each in graph] for name, after in graph.items()}


def _cycle(graph: dict[str, list[str]]) -> list[str]:
    try:
        TopologicalSorter[str](graph).prepare()
    except CycleError as error:
        found: Iterable[str] = error.args[1]
        return list(found)[:0:-1]  # it begins and ends with the same job, and each comes before the next
    return []
