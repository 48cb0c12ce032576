"""Kinds of other packages, some of which are broken."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from structlog.testing import capture_logs

from podium.errors import DocumentRefused
from podium.jobs import plugins as module
from podium.jobs.plugins import plugins
from tests.jobs.parts import job


class Good:
    def check(self, call): ...

    async def perform(self, job):
        return dict(job.call)


class Needing:
    def __init__(self, licence): ...


class Leaving:
    def __init__(self):
        raise SystemExit("no licence")


@pytest.fixture
def found(monkeypatch):
    """Loads the kinds named so."""

    def find(**kinds: str):
        points = [EntryPoint(name, value, "podium.jobs") for name, value in kinds.items()]
        monkeypatch.setattr(module, "entry_points", lambda group: points if group == "podium.jobs" else [])
        return plugins()

    return find


async def test_a_good_one(found):
    assert await found(theirs=f"{__name__}:Good")["theirs"].perform(job({"a": 1})) == {"a": 1}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("absent_package:Kind", "ModuleNotFoundError: No module named 'absent_package'"),
        (f"{__name__}:Absent", "AttributeError: "),
        (f"{__name__}:Needing", "TypeError: "),
        (f"{__name__}:Leaving", "SystemExit: no licence"),
    ],
)
async def test_one_that_is_broken_refuses_and_leaves_the_others_alone(found, what, reason):
    with capture_logs() as logged:
        kinds = found(broken=what, theirs=f"{__name__}:Good")
    (entry,) = logged
    assert (entry["event"], entry["kind"], entry["log_level"]) == ("jobs.kind_broken", "broken", "error")
    assert reason in entry["reason"]
    with pytest.raises(DocumentRefused, match=f"the kind 'broken' of the package .* cannot be loaded: {reason}"):
        kinds["broken"].check({})
    with pytest.raises(DocumentRefused, match="cannot be loaded"):
        await kinds["broken"].perform(job({}))
    kinds["theirs"].check({})
