"""Warm workers: what they are given, what a call costs when one dies, and that none is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from podium.backplane.models_file import Limits
from podium.backplane.sessions import sessions
from podium.errors import DocumentRefused, Unavailable
from podium.workers.pool import Pool
from podium.workers.process import CallFailed

HERE = Path(__file__).parent
MODULE = "functions"


@pytest.fixture
async def opened(tmp_path):
    """Opens pools; in the end nothing of them is left, not a process and not a file."""
    pools, seen = [], set()

    def open_(**options) -> Pool:
        pool = Pool(options.pop("paths", [HERE]), directory=tmp_path / "workers", **{"size": 2} | options)
        pools.append(pool)
        return pool

    yield open_
    for pool in pools:
        seen |= pool.pids
        await pool.close()
    assert not seen & sessions().keys()
    assert list((tmp_path / "workers").glob("*")) == []


@pytest.fixture
def pool(opened):
    return opened()


@pytest.fixture
def fifo(tmp_path):
    """Makes FIFOs: a function in a worker waits at one until the test is there, and the other way round."""

    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


def function(name: str) -> str:
    return f"{MODULE}:{name}"


async def text(path: Path) -> str:
    async with asyncio.timeout(30):
        return await asyncio.to_thread(path.read_text)


async def test_calls_a_function(pool):
    assert await pool.call(function("add"), {"a": 1, "b": 2}) == 3


async def test_a_directory_that_comes_later_is_seen(opened, tmp_path):
    later = tmp_path / "later"
    pool = opened(paths=[later], size=1)
    with pytest.raises(CallFailed, match="no module 'new'"):
        await pool.call("new:one", {})
    later.mkdir()
    (later / "new.py").write_text("def one(): return 1")
    assert await pool.call("new:one", {}) == 1


async def test_keeps_its_workers_warm(pool):
    first = await pool.call(function("surroundings"), {})
    again = await pool.call(function("surroundings"), {})
    assert first["pid"] == again["pid"]


async def test_a_thousand_calls(pool):
    calls = [pool.call(function("add"), {"a": number, "b": 1}) for number in range(1000)]
    assert await asyncio.gather(*calls) == list(range(1, 1001))
    await asyncio.gather(*pool._starting)  # the second may be on its way yet
    assert len(pool.pids) == 2


async def test_calls_that_are_taken_over_by_who_is_free(pool):
    """At the end of each round both sides reach for the same calls."""
    await pool.warm()
    for _ in range(100):
        calls = [pool.call(function("add"), {"a": number, "b": 0}) for number in range(17)]
        assert await asyncio.gather(*calls) == list(range(17))


async def test_starts_no_more_workers_than_are_needed(pool):
    for _ in range(20):
        await pool.call(function("nothing"), {})
    assert len(pool.pids) == 1


async def test_warm_starts_workers_ahead(pool):
    await pool.warm()
    assert len(pool.pids) == 2


async def test_a_worker_that_is_idle_for_long_ends(opened):
    pool = opened(idle_seconds=0.01)
    await pool.call(function("nothing"), {})
    (worker,) = pool._workers
    async with asyncio.timeout(30):
        await worker.gone.wait()
    assert await pool.call(function("add"), {"a": 1, "b": 1}) == 2


async def test_large_arguments_and_results(pool):
    large = {"text": "x" * 500_000, "a": 1}
    assert await asyncio.gather(*(pool.call(function("echo"), large) for _ in range(20))) == [large] * 20


async def test_nobody_waits_behind_a_call_that_takes_long(opened, fifo):
    """The one that gives ends only when the one that takes, handed over later, is performed beside it."""
    pool, path = opened(size=2), str(fifo("line"))
    await pool.warm()
    give = asyncio.create_task(pool.call(function("give"), {"fifo": path}))
    others = [asyncio.create_task(pool.call(function("add"), {"a": n, "b": 0})) for n in range(20)]
    take = asyncio.create_task(pool.call(function("take"), {"fifo": path}))
    async with asyncio.timeout(30):
        assert await asyncio.gather(*others) == list(range(20))
        assert await asyncio.gather(give, take) == [None, "here"]


class TestOutput:
    async def test_lines_go_to_the_call_that_wrote_them(self, pool):
        heard: dict[int, list[str]] = {number: [] for number in range(200)}
        calls = [pool.call(function("speak"), {"number": n}, note=heard[n].append) for n in heard]
        await asyncio.gather(*calls)
        assert heard == {n: [f"out {n}", f"err {n}", f"below {n}"] for n in heard}

    async def test_lines_come_while_the_function_runs(self, pool, fifo):
        path, heard = fifo("line"), asyncio.Queue()
        call = asyncio.create_task(pool.call(function("say_and_take"), {"fifo": str(path)}, note=heard.put_nowait))
        async with asyncio.timeout(30):
            assert await heard.get() == "waiting"
            await asyncio.to_thread(path.write_text, "here")
            assert await call == "here"

    async def test_text_that_looks_like_a_mark_hurts_no_other_call(self, pool):
        with pytest.raises(CallFailed, match="something but its answers"):
            await pool.call(function("forge_mark"), {})
        assert await pool.call(function("add"), {"a": 1, "b": 2}) == 3


class TestFailures:
    async def test_what_it_raised_and_where(self, pool):
        lines = []
        with pytest.raises(CallFailed, match=r"ValueError: the river is dry, line \d+ of functions.py") as caught:
            await pool.call(function("raises"), {}, note=lines.append)
        assert not caught.value.final
        assert lines[0].startswith("Traceback")
        assert "worker.py" not in "\n".join(lines)

    async def test_sys_exit_is_not_the_end_of_the_worker(self, pool):
        with pytest.raises(CallFailed, match=r"sys.exit\(3\)"):
            await pool.call(function("leaves"), {"code": 3})
        assert len(pool.pids) == 1

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("absent:f", "no module 'absent'"),
            ("functions:absent", "no function 'absent'"),
            ("functions:HERE", "no function"),
            ("functions:imported", "not defined in functions"),
            ("os:system", "no module 'os' in the directories"),
            ("functions.os:system", "no module 'functions.os'"),
            ("builtins:eval", "no module 'builtins' in the directories"),
        ],
    )
    async def test_only_what_the_directories_hold_can_be_called(self, pool, name, why):
        with pytest.raises(CallFailed, match=why) as caught:
            await pool.call(name, {})
        assert caught.value.final

    async def test_a_module_with_the_name_of_one_of_pythons_own(self, opened, tmp_path):
        (tmp_path / "json.py").write_text("def f(): return 1")
        with pytest.raises(CallFailed, match="has the name of a module of Python itself"):
            await opened(paths=[tmp_path]).call("json:f", {})

    async def test_a_module_that_cannot_be_imported(self, opened, tmp_path):
        (tmp_path / "broken.py").write_text("import no_such_thing")
        with pytest.raises(CallFailed, match="No module named 'no_such_thing'"):
            await opened(paths=[tmp_path]).call("broken:f", {})

    @pytest.mark.parametrize(
        ("what", "why"),
        [("nan", "not JSON compliant"), ("object", "type object, which is not JSON"), ("huge", "bytes as JSON")],
    )
    async def test_results_that_cannot_be_carried(self, pool, what, why):
        with pytest.raises(CallFailed, match=why):
            await pool.call(function("odd"), {"what": what})

    async def test_arguments_that_cannot_be_carried(self, pool):
        with pytest.raises(DocumentRefused, match="not JSON"):
            await pool.call(function("echo"), {"a": object()})

    async def test_a_worker_that_cannot_start(self, opened):
        pool = opened(preload=["no_such_module"])
        with pytest.raises(CallFailed, match=r"no worker can be started: exit code 1.*no_such_module"):
            await pool.call(function("nothing"), {})
        with pytest.raises(Unavailable, match="no_such_module"):
            await pool.warm(1)


class TestDeath:
    @pytest.mark.parametrize(
        ("name", "arguments", "why"),
        [
            ("exits", {"code": 7}, "exit code 7.*so long"),
            ("exits", {"code": 0}, "exited with code 0"),
            ("crashes", {}, "SIGSEGV.*about to crash.*functions.py"),
        ],
    )
    async def test_it_fails_the_call_with_how_it_ended_and_its_last_lines(self, pool, name, arguments, why):
        with pytest.raises(CallFailed, match=why) as caught:
            await pool.call(function(name), arguments)
        assert not caught.value.final
        assert await pool.call(function("add"), {"a": 1, "b": 2}) == 3

    async def test_it_fails_only_the_call_that_was_begun(self, opened, fifo, tmp_path):
        pool = opened(size=1)
        path = fifo("pid")
        doomed = asyncio.create_task(pool.call(function("tell_and_wait"), {"fifo": str(path)}))
        names = [str(number) for number in range(30)]
        others = [
            asyncio.create_task(pool.call(function("mark"), {"directory": str(tmp_path), "name": name}))
            for name in names
        ]
        pid = int(await text(path))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(CallFailed, match="killed by SIGKILL"):
            await doomed
        assert await asyncio.gather(*others) == names
        assert [(tmp_path / name).read_text() for name in names] == ["x"] * 30

    async def test_a_call_that_it_took_while_others_were_taken_back(self, opened, tmp_path):
        pool = opened(size=1)
        await pool.warm()
        (worker,) = pool._workers
        os.kill(worker.pid, signal.SIGSTOP)
        stopped = os.WSTOPPED | os.WNOWAIT
        await asyncio.to_thread(os.waitid, os.P_PID, worker.pid, stopped)  # until then it may take a call
        calls = [asyncio.create_task(pool.call(function("add"), {"a": number, "b": 0})) for number in range(5)]
        await asyncio.sleep(0)  # until they have been handed over
        assert worker.load == 5
        worker._process = replace(worker._process, theirs=Hasty(worker._process.theirs))
        pool._take_over()
        os.kill(worker.pid, signal.SIGKILL)
        assert await asyncio.gather(*calls[:1], *calls[2:]) == [0, 2, 3, 4]
        with pytest.raises(CallFailed, match="SIGKILL"):
            await calls[1]

    async def test_many_deaths_lose_nothing_and_perform_nothing_twice(self, pool, tmp_path):
        """Whenever a worker is killed: one call fails at most, each other is performed once."""
        names = [str(number) for number in range(1500)]
        calls = [
            asyncio.create_task(pool.call(function("mark"), {"directory": str(tmp_path), "name": name}))
            for name in names
        ]
        kills = 0
        for count, call in enumerate(calls):
            await asyncio.wait([call])
            if count % 150 == 75:
                pid = next(iter(pool.pids), None)
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        failed = [name for name, outcome in zip(names, outcomes, strict=True) if isinstance(outcome, CallFailed)]
        assert kills > 0
        assert len(failed) <= kills
        for name in set(names) - set(failed):
            assert (tmp_path / name).read_text() == "x"
        for name in failed:
            assert not (tmp_path / name).exists() or (tmp_path / name).read_text() in ("", "x")

    async def test_one_that_dies_before_its_first_call_fails_none(self, opened, tmp_path):
        (tmp_path / "once.py").write_text(
            "import os\nfrom pathlib import Path\nmark = Path(__file__).with_name('mark')\n"
            "if not mark.exists():\n    mark.touch()\n    os.kill(os.getpid(), 9)\n"
            "def f(): return 1"
        )
        pool = opened(paths=[tmp_path], preload=["once"], size=1)
        assert await asyncio.gather(*(pool.call("once:f", {}) for _ in range(20))) == [1] * 20

    async def test_what_it_started_dies_with_it(self, pool, fifo):
        path = fifo("pids")
        call = asyncio.create_task(pool.call(function("leave_child"), {"fifo": str(path)}))
        worker, child = map(int, (await text(path)).split())
        ended = os.pidfd_open(child)
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(CallFailed):
            await call
        await _readable(ended)

    async def test_writing_where_only_answers_belong(self, pool):
        with pytest.raises(CallFailed, match="something but its answers"):
            await pool.call(function("forge"), {})
        assert await pool.call(function("add"), {"a": 1, "b": 2}) == 3

    async def test_it_ends_with_podium_however_that_ends(self, tmp_path, fifo):
        path = fifo("pids")
        code = f"""
import asyncio
from pathlib import Path
from podium.workers.pool import Pool
async def main():
    pool = Pool([Path({str(HERE)!r})], directory=Path({str(tmp_path)!r}))
    await pool.call("functions:leave_child", {{"fifo": {str(path)!r}}})
asyncio.run(main())
"""
        podium = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        files = [os.pidfd_open(int(pid)) for pid in (await text(path)).split()]
        podium.kill()
        await podium.wait()
        for file in files:
            await _readable(file)


class TestCancel:
    async def test_the_call_that_was_begun_is_killed_and_no_other(self, opened, fifo):
        pool = opened(size=1)
        path = fifo("pid")
        call = asyncio.create_task(pool.call(function("tell_and_wait"), {"fifo": str(path)}))
        others = [asyncio.create_task(pool.call(function("add"), {"a": n, "b": 0})) for n in range(20)]
        ended = os.pidfd_open(int(await text(path)))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await _readable(ended)
        assert await asyncio.gather(*others) == list(range(20))

    async def test_a_call_that_waits_is_never_performed(self, opened, fifo, tmp_path):
        pool = opened(size=1)
        path = fifo("pid")
        first = asyncio.create_task(pool.call(function("tell_and_wait"), {"fifo": str(path)}))
        mark = function("mark")
        waiting = [
            asyncio.create_task(pool.call(mark, {"directory": str(tmp_path), "name": str(n)})) for n in range(20)
        ]
        pid = int(await text(path))
        for call in waiting[::2]:
            call.cancel()
        await asyncio.wait(waiting[::2])
        assert pool.pids == {pid}
        first.cancel()
        await asyncio.wait([first])
        await asyncio.gather(*waiting[1::2])
        assert sorted(int(p.name) for p in tmp_path.iterdir() if p.name.isdecimal()) == list(range(1, 20, 2))

    async def test_cancelling_all(self, pool):
        calls = [asyncio.create_task(pool.call(function("burn"), {})) for _ in range(100)]
        await pool.warm()
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert all(call.cancelled() for call in calls)
        assert await pool.call(function("add"), {"a": 1, "b": 2}) == 3


class TestSurroundings:
    async def test_they_are_its_own(self, opened, tmp_path, monkeypatch):
        monkeypatch.setenv("PODIUM_PASSWORD", "hush")
        pool = opened(environment={"WORD": "x"})
        seen = await pool.call(function("surroundings"), {})
        assert set(seen["env"]) - {"LC_CTYPE"} == {"PATH", "HOME", "TMPDIR", "LANG", "WORD"}
        assert seen["cwd"] == seen["env"]["HOME"] == seen["env"]["TMPDIR"]
        assert Path(seen["cwd"]).parent == tmp_path / "workers"
        assert seen["sid"] == seen["pid"]

    async def test_memory(self, opened):
        pool = opened(limits=Limits(memory_mb=300))
        with pytest.raises(CallFailed, match="MemoryError"):
            await pool.call(function("allocate"), {"megabytes": 400})
        assert await pool.call(function("allocate"), {"megabytes": 1}) == 1 << 20

    async def test_processor_time_of_a_call(self, opened):
        pool = opened(limits=Limits(cpu_seconds=1), size=1)
        await pool.call(function("burn_for"), {"seconds": 0.6})
        await pool.call(function("burn_for"), {"seconds": 0.6})
        with pytest.raises(CallFailed, match="CPU time"):
            await pool.call(function("burn"), {})


async def test_closing_fails_what_is_under_way(opened, fifo):
    pool = opened(size=1)
    path = fifo("pid")
    calls = [asyncio.create_task(pool.call(function("tell_and_wait"), {"fifo": str(path)})) for _ in range(3)]
    await text(path)
    await pool.close()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == [
        "its worker ended: the workers are being ended",
        *["the workers are being ended"] * 2,
    ]
    with pytest.raises(Unavailable):
        await pool.call(function("nothing"), {})
    await pool.close()


class Hasty:
    """The worker's end of its calls, out of which it takes the second one while we take them back."""

    def __init__(self, end):
        self._end = end
        self._count = 0
        self.close = end.close

    def recv(self, *arguments):
        self._count += 1
        if self._count == 2:
            assert self._end.recv(*arguments)
        return self._end.recv(*arguments)


async def _readable(pidfd: int) -> None:
    """Until that process has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(30):
            await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
