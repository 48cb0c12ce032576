"""Kinds that run models, on the process backplane."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from podium.backplane.models_file import ModelEntry, ModelsFile
from podium.backplane.port import ModelSpec
from podium.errors import DocumentRefused, Unavailable
from podium.jobs.container import Container
from podium.jobs.models import Endings, model_name
from podium.jobs.port import JobFailed
from podium.jobs.services import Services
from podium.runs.machine import DETACHED
from tests.jobs.parts import job
from tests.parts import backplanes

COMMAND = ("python", "-c", "import os; exec(os.environ['CODE'])")
SERVER = """
import os, socket, signal, sys
print('starting', flush=True)
server = socket.create_server((os.environ['HOST'], int(os.environ['PORT'])))
while True:
    connection, _ = server.accept()
    connection.sendall(b'%d' % os.getpid())
    connection.close()
"""
MODELS = ModelsFile(
    models=(
        ModelEntry(image="python:1", command=COMMAND),
        ModelEntry(image="server:1", command=("python", "-c", SERVER)),
        ModelEntry(image="broken:1", command=("python", "-c", "raise SystemExit('no licence')")),
        ModelEntry(image="deaf:1", command=("python", "-c", "import signal; signal.pause()")),
    )
)


@pytest.fixture
async def opened(tmp_path):
    async with backplanes.on(tmp_path / "models", MODELS) as opened:
        yield opened


@pytest.fixture
async def backplane(opened):
    return await opened()


@pytest.fixture
async def container(tmp_path):
    """Makes containers on a backplane."""
    made = []

    def make(backplane) -> Container:
        made.append(Container(backplane, tmp_path / "jobs"))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def kind(backplane, container):
    return container(backplane)


def python(code: str, **env: str) -> dict:
    return {"image": "python:1", "env": {"CODE": code, **env}}


COPY = "open(os.environ['PODIUM_RESULT'], 'w').write(open(os.environ['PODIUM_INPUTS']).read())"


class Line:
    """Two FIFOs: a model tells its pid through one and waits for a word on the other."""

    def __init__(self, directory: Path) -> None:
        self._told, self._word = directory / "told", directory / "word"
        os.mkfifo(self._told)
        os.mkfifo(self._word)
        # Open for writing too: it has no end, at which one who was about to tell would meet nobody.
        self._hearing = os.open(self._told, os.O_RDWR)
        tells = f"open({str(self._told)!r}, 'w').write('%d\\n' % os.getpid())"
        self.code = f"import signal; {tells}; signal.pause()"
        self.code_that_waits = f"{tells}; open({str(self._word)!r}).read()"

    async def pids(self, count: int = 1) -> list[int]:
        """Of so many models."""
        words: list[bytes] = []
        async with asyncio.timeout(30):
            while len(words) < count:
                words += (await asyncio.to_thread(os.read, self._hearing, 1000)).split()
        return [int(word) for word in words]

    async def let_go(self) -> None:
        async with asyncio.timeout(30):
            await asyncio.to_thread(self._word.write_text, "go")

    def close(self) -> None:
        os.close(self._hearing)


@pytest.fixture
def line(tmp_path):
    line = Line(tmp_path)
    yield line
    line.close()


class TestContainer:
    async def test_its_inputs_and_its_result(self, kind):
        result = await kind.perform(job(python(COPY), inputs={"clean": [1]}, item="x"))
        assert result == {"inputs": {"clean": [1]}, "item": "x"}

    async def test_no_result(self, kind):
        assert await kind.perform(job(python("pass"))) is None

    async def test_how_it_failed(self, kind):
        with pytest.raises(JobFailed, match=r"exit code 3; its last lines: one \| two") as caught:
            await kind.perform(job(python("print('one\\ntwo'); raise SystemExit(3)")))
        assert not caught.value.final

    @pytest.mark.parametrize(
        ("content", "why"),
        [("'{'", "cannot be read"), ("'x' * 300_000", "more than 262144 bytes"), ("'[' * 100_000", "cannot be read")],
    )
    async def test_a_result_that_is_none(self, kind, content, why):
        with pytest.raises(JobFailed, match=f"it is done, but its result .*{why}") as caught:
            await kind.perform(job(python(f"open(os.environ['PODIUM_RESULT'], 'w').write({content})")))
        assert caught.value.final

    async def test_a_result_that_is_somebody_elses_file(self, kind, tmp_path):
        (tmp_path / "secret").write_text('"hush"')
        with pytest.raises(JobFailed, match="cannot be read"):
            await kind.perform(job(python(f"os.symlink({str(tmp_path / 'secret')!r}, os.environ['PODIUM_RESULT'])")))

    @pytest.mark.parametrize("made", ["os.mkfifo", "os.mkdir"])
    async def test_a_result_that_is_no_file(self, kind, made):
        code = f"import os; {made}(os.environ['PODIUM_RESULT'])"
        with pytest.raises(JobFailed, match="it is done, but its result ") as caught:
            await kind.perform(job(python(code)))
        assert caught.value.final

    async def test_cancelled_it_is_removed(self, kind, backplane, line):
        task = asyncio.create_task(kind.perform(job(python(line.code))))
        (pid,) = await line.pids()
        pidfd = os.pidfd_open(pid)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await backplane.list() == []
        with pytest.raises(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, 0)
        os.close(pidfd)

    async def test_a_later_podium_finds_it_again(self, opened, container, line):
        first = await opened()
        call = python(f"{line.code_that_waits}\nopen(os.environ['PODIUM_RESULT'], 'w').write('7')")
        before = asyncio.create_task(container(first).perform(job(call)))
        await line.pids()
        before.cancel(DETACHED)
        await asyncio.wait([before])
        assert before.cancelled()
        second = await opened()
        after = asyncio.create_task(container(second).perform(job(call, again=True)))
        await line.let_go()
        assert await asyncio.wait_for(after, 30) == 7
        assert len(await second.list()) == 1

    async def test_one_that_ended_meanwhile(self, kind, container, opened):
        call = python("open(os.environ['PODIUM_RESULT'], 'a').write('7')")
        assert await kind.perform(job(call)) == 7
        assert await container(await opened()).perform(job(call, again=True)) == 7

    async def test_what_it_keeps_until_the_run_has_ended(self, kind, tmp_path):
        await kind.perform(job(python("pass")))
        assert len(list((tmp_path / "jobs").iterdir())) == 1
        await kind.released("r")
        assert list((tmp_path / "jobs").iterdir()) == []
        await kind.released("r")

    async def test_what_is_left_of_runs_that_are_over(self, kind, backplane, tmp_path, line):
        tasks = [asyncio.create_task(kind.perform(job(python(line.code), run=run))) for run in ("a", "b")]
        await line.pids(2)
        for task in tasks:
            task.cancel(DETACHED)
        await asyncio.wait(tasks)
        await kind.sweep({"b"})
        assert [model.labels["simulation_id"] for model in await backplane.list()] == ["b"]
        assert len(list((tmp_path / "jobs").iterdir())) == 1

    async def test_what_is_refused_beforehand(self, kind):
        with pytest.raises(DocumentRefused, match="nothing stands for the image 'none:1'"):
            kind.check({"image": "none:1"})
        with pytest.raises(DocumentRefused, match="image: is missing"):
            kind.check({})
        kind.check({"image": {"$result": "before"}})


class TestServices:
    @pytest.fixture
    async def services(self, backplane):
        services = Services(backplane)
        yield services
        await services.close()

    async def pid(self, url: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        pid = int(await reader.read())
        writer.close()
        return pid

    async def test_it_is_started_once(self, services, backplane):
        urls = await asyncio.gather(*(services.url("server:1") for _ in range(10)))
        assert len(set(urls)) == len(await backplane.list()) == 1
        assert urls[0].startswith("http://127.0.0.1:")
        assert await self.pid(urls[0]) > 0

    async def test_another_scheme(self, services):
        assert (await services.url("server:1", scheme="tcp")).startswith("tcp://127.0.0.1:")

    async def test_one_that_died_is_started_again(self, services, backplane):
        first = await self.pid(await services.url("server:1"))
        endings = Endings(backplane)
        with endings.of(model_name("service", "server:1")) as end:
            os.kill(first, signal.SIGKILL)
            await asyncio.wait_for(end, 30)
        await endings.close()
        assert await self.pid(await services.url("server:1")) != first

    async def test_a_later_podium_takes_it_over(self, services, opened):
        first = await self.pid(await services.url("server:1"))
        await services.close(keep=True)
        later = Services(await opened())
        assert await self.pid(await later.url("server:1")) == first
        await later.close()

    async def test_closing_ends_it(self, services, backplane):
        await services.url("server:1")
        await services.close()
        assert await backplane.list() == []

    async def test_one_that_does_not_start(self, services):
        with pytest.raises(Unavailable, match=r"broken:1 does not run: exit code 1; its last lines: no licence"):
            await services.url("broken:1")

    async def test_one_that_does_not_listen(self, backplane):
        services = Services(backplane, ready_seconds=0.2)
        with pytest.raises(Unavailable, match="does not listen"):
            await services.url("deaf:1")
        assert await backplane.list() == []
        await services.close()

    async def test_an_unknown_image(self, services):
        with pytest.raises(DocumentRefused, match="nothing stands for"):
            await services.url("none:1")


class TestEndings:
    async def test_a_backplane_that_is_closed(self, backplane):
        endings = Endings(backplane)
        with endings.of("deaf") as end:
            await backplane.deploy(ModelSpec("deaf", "deaf:1"))
            await backplane.close()
            with pytest.raises(Unavailable):
                await asyncio.wait_for(end, 30)
        await endings.close()

    @pytest.mark.parametrize("parts", [("Run 1", "job[3]", "2"), ("ü", "#"), ("a" * 500,)])
    def test_names_that_every_backplane_takes(self, parts):
        name = model_name(*parts)
        assert len(name) <= 63
        assert name == name.lower().strip("-")
        assert name.isascii()
        assert name == model_name(*parts) != model_name(*parts, "")
