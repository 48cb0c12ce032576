"""Kinds of other packages, some of which are broken."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from structlog.testing import capture_logs

from podium.errors import DocumentRefused, Unavailable
from podium.jobs import plugins as module
from podium.jobs.plugins import plugins
from podium.jobs.port import JobFailed, looked_through
from tests.jobs.parts import job


class Good:
    def check(self, call): ...

    async def perform(self, job):
        return dict(job.call)


class Needing:
    def __init__(self, licence): ...


class Idle:
    def check(self, call): ...


class Unchecked:
    async def perform(self, job): ...


class Failing:
    """All that it does fails, in a way that is not ours."""

    enclosed = "inner"

    def check(self, call):
        raise KeyError("licence")

    async def perform(self, job):
        raise KeyError("licence")

    async def released(self, run):
        raise KeyError("licence")


class Refusing(Good):
    """All that it does fails, in a way that is ours."""

    def check(self, call):
        raise DocumentRefused("must be even", where="a")

    def check_one_of_many(self, call):
        raise DocumentRefused("must be odd", where="a")

    async def perform(self, job):
        raise JobFailed("no rows")

    async def released(self, run):
        raise Unavailable("it is away")


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
        (f"{__name__}:Idle", "TypeError: it has no method 'perform'"),
        (f"{__name__}:Unchecked", "TypeError: it has no method 'check'"),
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


async def test_what_one_does_wrong_is_told_as_its_own(found):
    kind = found(theirs=f"{__name__}:Failing")["theirs"]
    failed = "the kind 'theirs' of the package .* itself failed: KeyError: 'licence'"
    with capture_logs() as logged:
        for check in (kind.check, kind.check_one_of_many):
            with pytest.raises(DocumentRefused, match=failed):
                check({})
        with pytest.raises(JobFailed, match=failed) as caught:
            await kind.perform(job({}))
        await kind.released("r")
    assert caught.value.final
    assert [entry["event"] for entry in logged] == ["jobs.kind_failed"] * 4


async def test_what_one_refuses_is_handed_on(found):
    kind = found(theirs=f"{__name__}:Refusing")["theirs"]
    with pytest.raises(DocumentRefused, match="must be even"):
        kind.check({})
    with pytest.raises(DocumentRefused, match="must be odd"):
        kind.check_one_of_many({})
    with pytest.raises(JobFailed, match="no rows"):
        await kind.perform(job({}))
    with pytest.raises(Unavailable, match="it is away"):
        await kind.released("r")


async def test_one_is_asked_only_what_it_knows(found):
    kinds = found(theirs=f"{__name__}:Good", enclosing=f"{__name__}:Failing")
    kinds["theirs"].check_one_of_many({})
    await kinds["theirs"].released("r")
    call = {"inner": {"x": {"$result": "a"}}, "outer": 1}
    assert looked_through(kinds["theirs"], call) == call
    assert looked_through(kinds["enclosing"], call) == {"outer": 1}
