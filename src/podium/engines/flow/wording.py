"""What people read when a graph of jobs does not go well: which job, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podium.errors import Fault
from podium.runs.events import Failure

NAMED = 3
LINKS = 20


def names(jobs: Sequence[str]) -> str:
    """A few names, and how many more."""
    few = ", ".join(jobs[:NAMED])
    more = len(jobs) - NAMED
    return f"{few} and {more} more" if more > 0 else few


def chain(cycle: Sequence[str]) -> str:
    links = [*cycle, cycle[0]]
    if len(links) > LINKS:
        links = [*links[: LINKS // 2], f"({len(links) - LINKS} more)", *links[-LINKS // 2 :]]
    return " after ".join(links)


def failed(failures: Mapping[str, str]) -> Failure:
    first = next(iter(failures))
    if len(failures) == 1:
        return Failure(f"job {first} failed: {failures[first]}")
    return Failure(f"{len(failures)} jobs failed ({names(list(failures))}); the first, {first}: {failures[first]}")


def last_failed(reason: str) -> Failure:
    return Failure(f"the last job failed: {reason}")


def no_graph(faults: Sequence[Fault]) -> Failure:
    more = f" (and {len(faults) - 1} faults more)" if len(faults) > 1 else ""
    return Failure(f"these jobs are no graph that can be performed: {faults[0]}{more}")


def no_outcome(timeout: float) -> str:
    return f"no outcome within {timeout:g} s"


def no_list(each: str) -> str:
    return f"the result of {each} is no list, so there are no items to perform this job for"
