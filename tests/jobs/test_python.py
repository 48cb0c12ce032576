"""Kind `python`: functions by way of the worker pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from podium.errors import DocumentRefused
from podium.jobs.port import RESULT_BYTES, JobFailed
from podium.jobs.python import PythonFunction
from podium.workers.pool import Pool
from tests import workers
from tests.jobs.parts import job

FUNCTIONS = Path(workers.__file__).parent


@pytest.fixture
async def kind(tmp_path):
    pool = Pool([FUNCTIONS], directory=tmp_path, size=1, largest_result=RESULT_BYTES)
    yield PythonFunction(pool)
    await pool.close()


async def test_a_function(kind):
    assert await kind.perform(job({"function": "functions:add", "arguments": {"a": 1, "b": 2}})) == 3


async def test_one_of_many_is_given_its_item(kind):
    call = {"function": "functions:echo", "arguments": {"a": 1}}
    assert await kind.perform(job(call, node="n[0]", item=None)) == {"a": 1, "item": None}
    assert await kind.perform(job(call, node="n", item=None)) == {"a": 1}


async def test_what_it_writes_is_noted(kind):
    lines = []
    await kind.perform(job({"function": "functions:speak", "arguments": {"number": 7}}, note=lines.append))
    assert lines == ["out 7", "err 7", "below 7"]


async def test_failures(kind):
    with pytest.raises(JobFailed, match="the river is dry") as caught:
        await kind.perform(job({"function": "functions:raises"}))
    assert not caught.value.final
    with pytest.raises(JobFailed, match="no function") as caught:
        await kind.perform(job({"function": "functions:absent"}))
    assert caught.value.final
    with pytest.raises(JobFailed, match=r"odd returned a value of type object, which is not JSON: .* Return") as caught:
        await kind.perform(job({"function": "functions:odd", "arguments": {"what": "object"}}))
    assert caught.value.final
    with pytest.raises(JobFailed, match="bytes as JSON"):
        await kind.perform(job({"function": "functions:odd", "arguments": {"what": "huge"}}))


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({}, "function: is missing"),
        ({"function": "functions"}, "function"),
        ({"function": "functions:a.b"}, "function"),
        ({"function": "../functions:a"}, "function"),
        ({"function": "os:system"}, "no module 'os'"),
        ({"function": "functions:ad"}, "there is no 'ad' in functions. Did you mean add"),
        ({"function": "functions:nothing", "arguments": {"a": 1}}, "has no such argument. It takes none"),
        ({"function": "functions:add", "arguments": {"a": 1}}, "arguments: functions:add needs 'b'"),
        ({"function": "functions:add", "paths": ["/"]}, "paths: there is no such key"),
    ],
)
async def test_what_is_refused_beforehand(kind, call, why):
    with pytest.raises(DocumentRefused, match=why):
        kind.check(call)


async def test_what_is_not(kind):
    kind.check({"function": "functions:add", "arguments": {"a": {"$result": "before"}, "b": 1}})
    kind.check({"function": "functions:add", "arguments": {"$result": "before"}})
    kind.check({"function": {"$result": "before"}})
