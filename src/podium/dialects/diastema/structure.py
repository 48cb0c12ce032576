"""How the jobs of a playbook hang together: what must hold for it to be run at all."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from podium.dialects.diastema.playbook import Playbook, Step
from podium.errors import Fault


def check(book: Playbook) -> list[Fault]:
    """Every fault; those of single jobs first."""
    return [*book.faults, *hanging(book)]


def hanging(book: Playbook) -> list[Fault]:
    """What keeps jobs from being reached, and those that are given too much or too little."""
    faults = [fault for step in book.steps.values() for fault in _links(book, step)]
    if not book.faults and not faults:
        faults += _cycles(book)
    faults += [fault for step in book.steps.values() for fault in _inputs(book, step)]
    return faults


def in_order(book: Playbook) -> list[Step]:
    """Each behind those it takes data from. Raises: CycleError."""
    sorter = TopologicalSorter({name: step.after for name, step in book.steps.items()})
    return [book.steps[name] for name in sorter.static_order()]


def _links(book: Playbook, step: Step) -> Iterator[Fault]:
    for key, names in (("from", step.after), ("next", step.next)):
        for name in dict.fromkeys(names):
            other = book.steps.get(name)
            back = "next" if key == "from" else "from"
            if other is None:
                # A job that is there and could not be read was told of already.
                if not any(f"(step {name})" in fault.where for fault in book.faults):
                    yield step.fault(key, f"there is no step {name}")
            elif step.name not in (other.next if key == "from" else other.after):
                hint = f"Name step {step.name} in {other.place}.{back}, or leave step {name} out here"
                yield step.fault(key, f"names step {name}, whose `{back}` does not name step {step.name}", hint)


def _cycles(book: Playbook) -> Iterator[Fault]:
    try:
        in_order(book)
    except CycleError as error:
        circle = error.args[1]
        first = book.steps[circle[0]]
        yield first.fault("from", f"the steps {' -> '.join(circle)} wait for each other in a circle")


def _inputs(book: Playbook, step: Step) -> Iterator[Fault]:
    least, most = step.kind.inputs
    if len(step.after) < least:
        wanted = f"{least} inputs" if least > 1 else "an input"
        yield step.fault("from", f"a {step.title} takes {wanted}, not {len(step.after) or 'none'}")
    elif most is not None and len(step.after) > most:
        wanted = f"{most} inputs" if most > 1 else "one input" if most else "no input"
        yield step.fault("from", f"a {step.title} takes {wanted}, not {len(step.after)}")
    for name in step.after:
        other = book.steps.get(name)
        if other is not None and not other.kind.gives:
            yield step.fault("from", f"step {name} is a {other.title}, which gives no data")
