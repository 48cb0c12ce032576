"""The process backplane: what every backplane does, and what its processes, files and faults ask for."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest
import structlog

from podium.backplane import shim
from podium.backplane.models_file import Limits, ModelEntry, ModelsFile
from podium.backplane.port import ModelState
from podium.backplane.process import ProcessBackplane
from podium.backplane.sessions import Identity, sessions
from podium.errors import DocumentRefused, Unavailable
from tests.backplane.conformance import FOR_EVER, IMAGE, BackplaneConformance, run, spec, until
from tests.parts import backplanes

COMMAND = ("python", "-c", "import os; exec(os.environ['CODE'])")


def models(*more: ModelEntry) -> ModelsFile:
    return ModelsFile(models=(ModelEntry(image=IMAGE, command=COMMAND), *more))


def limited(**limits) -> ModelEntry:
    return ModelEntry(image="limited", command=COMMAND, limits=Limits(**limits))


@pytest.fixture
async def opened(tmp_path):
    async with backplanes.on(tmp_path / "models", models()) as opened:
        yield lambda *more: opened(models(*more))


@pytest.fixture
async def backplane(opened):
    return await opened()


@pytest.fixture
def again(opened):
    return opened


class Line:
    """A FIFO that a model can write a line to, so that a test need not ask again and again."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / f"line-{time.monotonic_ns()}"
        os.mkfifo(self.path)

    async def read(self) -> str:
        return (await asyncio.to_thread(self.path.read_text)).strip()


@pytest.fixture
def line(tmp_path):
    return Line(tmp_path)


def telling(line: Line, code: str = "import signal; signal.pause()") -> str:
    """A program that tells its pid once it has come so far, and goes on."""
    return f"import os\nopen({str(line.path)!r}, 'w').write(str(os.getpid()))\n{code}"


async def gone(pid: int) -> None:
    """Return once there is no such process any more."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, ended.set)
    async with asyncio.timeout(30):
        await ended.wait()
    loop.remove_reader(pidfd)
    os.close(pidfd)


def proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def left(backplane) -> list[Path]:
    """What is left of models on disk."""
    return [path for path in backplane._directory.iterdir() if path != backplane._shim]


def shim_pid(backplane, name: str) -> int:
    return backplane._live[name].shim


class TestConformance(BackplaneConformance):
    async def says(self, backplane, name, line):
        """The output is in a file: the kernel tells when it changes."""
        folder = backplane._folder(name).path
        watch = await asyncio.create_subprocess_exec(
            *("tail", "-F", "-n", "+1", folder / "output-000000000000000.log"), stdout=PIPE, stderr=DEVNULL
        )
        async with asyncio.timeout(30):
            while await watch.stdout.readline() != f"{line}\n".encode():
                pass
        watch.kill()
        await watch.communicate()

    async def settled(self, backplane):
        while backplane._tasks:
            await asyncio.wait(backplane._tasks)


async def test_a_model_inherits_nothing_of_ours(backplane, monkeypatch):
    monkeypatch.setenv("CANARY_PASSWORD", "tweet")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    await run(backplane, spec("env", "import os, json; print(json.dumps(dict(os.environ)))", env={"MQTT_HOST": "h"}))
    env = json.loads(await backplane.logs("env"))
    assert set(env) == {"PATH", "HOME", "TMPDIR", "LANG", "CODE", "MQTT_HOST"} | ({"LC_CTYPE"} & set(env))
    assert env["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert env["HOME"] == env["TMPDIR"] == str(backplane._folder("env").work)


async def test_a_model_inherits_no_file_of_ours(backplane, tmp_path):
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        await run(backplane, spec("files", "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))"))
    assert await backplane.logs("files") == "['0', '1', '2', '3']\n"  # 3: the listing itself


async def test_signals_are_as_a_program_expects_them(opened):
    backplane = await opened(ModelEntry(image="native", command=("grep", "-E", "SigIgn|SigBlk", "/proc/self/status")))
    await run(backplane, spec("signals", image="native"))
    blocked, ignored = (int(mask, 16) for mask in (await backplane.logs("signals")).split()[1::2])
    c_library = 0b11 << 31  # signals 32 and 33, which no program may set
    assert (blocked, ignored & ~c_library) == (0, 0)


async def test_python_is_our_own_interpreter(backplane):
    await run(backplane, spec("python", "import sys; print(sys.prefix)"))
    assert await backplane.logs("python") == sys.prefix + "\n"


async def test_secrets_are_neither_in_arguments_nor_in_files(backplane, tmp_path, line):
    await backplane.deploy(spec("secret", telling(line), env={"MQTT_PASSWORD": "canary-5391"}))
    pid = int(await line.read())
    for process in (pid, shim_pid(backplane, "secret")):
        assert b"canary-5391" not in proc(process, "cmdline")
    for file in (tmp_path / "models").rglob("*"):
        mode = stat.S_IMODE(file.stat().st_mode)
        assert mode == (0o700 if file.is_dir() else 0o600), file
        assert file.is_dir() or b"canary-5391" not in file.read_bytes()
    assert stat.S_IMODE((tmp_path / "models").stat().st_mode) == 0o700


async def test_env_of_models_file_and_then_of_the_orchestrator(opened):
    entry = ModelEntry(image="env", command=COMMAND, env={"A": "file", "B": "file", "HOME": "/h"})
    backplane = await opened(entry)
    await run(
        backplane,
        spec("e", "import os; print(*map(os.environ.get, ['A', 'B', 'HOME']))", image="env", env={"B": "sent"}),
    )
    assert await backplane.logs("e") == "file sent /h\n"


async def test_working_directory_is_its_own_or_that_of_the_models_file(opened, tmp_path):
    backplane = await opened(ModelEntry(image="there", command=COMMAND, cwd=tmp_path))
    code = "import os; print(os.getcwd(), oct(os.stat('.').st_mode & 0o777), os.environ['HOME'])"
    await run(backplane, spec("own", code))
    await run(backplane, spec("there", code, image="there"))
    own, there = backplane._folder("own").work, backplane._folder("there").work
    assert await backplane.logs("own") == f"{own} 0o700 {own}\n"
    assert (await backplane.logs("there")).split()[::2] == [str(tmp_path), str(there)]


@pytest.mark.parametrize("env", [{"": "x"}, {"a=b": "x"}, {"a": "x\0y"}, {"a\0": "x"}])
async def test_refuses_an_environment_that_cannot_be(backplane, env):
    with pytest.raises(DocumentRefused, match="environment"):
        await backplane.deploy(spec("env", env=env))
    assert left(backplane) == []


async def test_an_environment_that_is_too_large(backplane):
    with pytest.raises(Unavailable, match="Argument list too long"):
        await backplane.deploy(spec("env", env={"A": "x" * (1 << 20)}))
    assert left(backplane) == []


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        (("no-such-command",), 127, "cannot run no-such-command: No such file or directory"),
        (("/etc",), 126, "cannot run /etc: Permission denied"),
    ],
)
async def test_a_command_that_cannot_be_run(opened, command, code, reason):
    backplane = await opened(ModelEntry(image="broken", command=command))
    model = await run(backplane, spec("broken", image="broken"))
    assert (model.state, model.exit_code, model.reason) == (ModelState.TERMINATED_FAILED, code, reason)


async def test_a_working_directory_that_went_away(opened, tmp_path):
    backplane = await opened(ModelEntry(image="lost", command=COMMAND, cwd=tmp_path / "lost"))
    model = await run(backplane, spec("lost", image="lost"))
    assert model.reason == f"cannot enter {tmp_path / 'lost'}: No such file or directory"


@pytest.mark.parametrize(
    ("code", "exit_code", "number", "reason"),
    [
        ("import os; os.kill(os.getpid(), 11)", None, 11, "killed by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", None, 9, "killed by SIGKILL"),
        ("raise SystemExit(137)", 137, None, "often for want of memory"),
    ],
)
async def test_a_killed_model_has_a_readable_reason(backplane, code, exit_code, number, reason):
    model = await run(backplane, spec("killed", code))
    assert (model.exit_code, model.signal) == (exit_code, number)
    assert reason in model.reason or "out-of-memory killer" in model.reason


@pytest.mark.parametrize(
    ("limits", "code", "expected"),
    [
        ({"memory_mb": 200}, "x = bytearray(300 << 20)", "MemoryError"),
        ({"cpu_seconds": 1}, "while True: pass", "killed by SIGXCPU (it used up its CPU time)"),
        ({"open_files": 20}, "f = [open('/dev/null') for _ in range(30)]", "Too many open files"),
        ({"processes": 77}, "import resource as r; raise SystemExit(str(r.getrlimit(r.RLIMIT_NPROC)))", "(77, 77)"),
        ({"open_files": 1 << 40}, "pass", "cannot set the limits open_files=1099511627776"),
    ],
)
async def test_limits_are_kept(opened, limits, code, expected):
    backplane = await opened(limited(**limits))
    model = await run(backplane, spec("limited", code, image="limited"))
    assert model.state == ModelState.TERMINATED_FAILED
    assert expected in "\n".join([model.reason, *model.last_lines])


async def test_huge_output_is_bounded_and_the_cut_is_told(backplane):
    size = 5 * shim.OUTPUT_FILE_BYTES
    code = f"import sys\nfor i in range({size >> 10}): sys.stdout.write('%07d' % i + '.' * 1016 + '\\n')"
    model = await run(backplane, spec("loud", code))
    assert model.last_lines[-1].startswith(f"{(size >> 10) - 1:07d}.")
    text = await backplane.logs("loud")
    first, rest = text.split("\n", 1)
    cut = size - len(rest)
    assert first == f"[podium: the first {cut} bytes of output were cut]"
    assert cut > 0
    assert len(rest) <= 2 * shim.OUTPUT_FILE_BYTES + (1 << 16)
    files = list(backplane._folder("loud").path.glob("output-*"))
    assert sum(file.stat().st_size for file in files) == len(rest)


async def test_one_endless_line(backplane):
    model = await run(backplane, spec("line", "print('x' * 1_000_000); raise SystemExit(1)"))
    assert model.last_lines == ("x" * 2000,)


async def test_a_full_disk_does_not_end_a_model(tmp_path, monkeypatch):
    output = shim.Output(str(tmp_path))
    output.write(b"before\n")
    real, output.file = output.file, os.open("/dev/full", os.O_WRONLY)
    output.write(b"lost\n")
    os.close(output.file)
    output.file = real
    output.write(b"after\n")
    os.close(real)
    text = (tmp_path / "output-000000000000000.log").read_text()
    assert text == "before\n\n[podium: 5 bytes of output were lost here: No space left on device]\nafter\n"


async def test_what_a_model_forked_ends_with_it(backplane, line):
    code = f"""
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
if os.fork() == 0:
    if os.fork() == 0:
        open({str(line.path)!r}, 'w').write(str(os.getpid()))
    signal.pause()
signal.sigwait([signal.SIGUSR1])"""
    await backplane.deploy(spec("parent", code))
    grandchild = int(await line.read())
    main = [pid for pid in sessions()[shim_pid(backplane, "parent")] if os.getpgid(pid) == pid]
    end = asyncio.create_task(until(backplane, "parent"))
    os.kill(next(pid for pid in main if pid != shim_pid(backplane, "parent")), signal.SIGUSR1)
    assert (await end).state == ModelState.TERMINATED_SUCCESSFULL
    await gone(grandchild)


@pytest.mark.parametrize("setup", ["", "os.setpgid(0, 0)", "signal.signal(15, signal.SIG_IGN)"])
async def test_remove_ends_grandchildren_of_the_session(backplane, line, setup):
    code = f"""
import os, signal
if os.fork() == 0:
    if os.fork() == 0:
        {setup or "pass"}
        open({str(line.path)!r}, 'w').write(str(os.getpid()))
    signal.pause()
signal.pause()"""
    await backplane.deploy(spec("family", code))
    grandchild = int(await line.read())
    session = shim_pid(backplane, "family")
    family = sessions()[session]
    assert grandchild in family
    await backplane.remove("family", grace_seconds=1)
    for pid in family:  # they are killed, and end when they come to it
        await gone(pid)
    assert session not in sessions()


async def test_a_grandchild_that_holds_the_output_does_not_hide_the_end(backplane):
    code = (
        "import os, signal\nif os.fork() == 0:\n    os.setsid()\n    signal.alarm(20)\n    signal.pause()\nos._exit(6)"
    )
    assert (await run(backplane, spec("daemon", code))).exit_code == 6


async def test_a_stopped_shim_does_not_stop_a_removal(backplane, line, monkeypatch):
    monkeypatch.setattr("podium.backplane.process._KILL_SECONDS", 0.2)
    await backplane.deploy(spec("stopped", telling(line)))
    pid = int(await line.read())
    os.kill(shim_pid(backplane, "stopped"), signal.SIGSTOP)
    await backplane.remove("stopped", grace_seconds=0.2)
    await gone(pid)
    assert await backplane.list() == []


async def test_a_killed_shim_takes_its_model_along(backplane, line):
    await backplane.deploy(spec("orphan", telling(line)))
    pid = int(await line.read())
    end = asyncio.create_task(until(backplane, "orphan"))
    os.kill(shim_pid(backplane, "orphan"), signal.SIGKILL)
    model = await end
    assert (model.state, model.signal, model.reason) == (
        ModelState.TERMINATED_FAILED,
        9,
        "its shim was killed, and so was it",
    )
    await gone(pid)


async def test_a_shim_killed_while_nobody_watched(opened, line):
    first = await opened()
    await first.deploy(spec("orphan", telling(line)))
    pid, shim_ = int(await line.read()), shim_pid(first, "orphan")
    await first.close()
    os.kill(shim_, signal.SIGKILL)
    second = await opened()
    model = await until(second, "orphan")
    assert model.reason == "its shim was killed, and so was it"
    await gone(pid)
    await second.close()
    assert await (await opened()).list() == [model]


async def test_no_zombies_are_left(backplane):
    await asyncio.gather(*(run(backplane, spec(f"m{i}", "pass")) for i in range(5)))
    children = proc(os.getpid(), f"task/{os.getpid()}/children").split()
    assert b"Z" not in [proc(int(pid), "stat").rpartition(b")")[2].split()[0] for pid in children]


async def test_a_hundred_models_at_once(backplane):
    specs = [spec(f"m{i}", f"raise SystemExit({i % 2})", labels={"i": str(i)}) for i in range(100)]
    models = await asyncio.gather(*(run(backplane, each) for each in specs))
    assert [model.exit_code for model in models] == [i % 2 for i in range(100)]
    await asyncio.gather(*(backplane.remove(each.name) for each in specs))
    assert left(backplane) == []


KILLED_PODIUM = """
import asyncio, os, sys
from pathlib import Path
from podium.backplane.port import ModelSpec
from podium.backplane.process import ProcessBackplane
from tests.backplane.test_process import models

async def main():
    backplane = ProcessBackplane(Path(sys.argv[1]), models())
    await backplane.start()
    for name, code in zip(sys.argv[2::2], sys.argv[3::2]):
        await backplane.deploy(ModelSpec(name, "python:test", {"CODE": code}))
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


def killed_podium(directory: Path, **programs: str) -> None:
    """A Podium that deploys these models and is killed at once."""
    arguments = [text for program in programs.items() for text in program]
    ended = subprocess.run([sys.executable, "-c", KILLED_PODIUM, str(directory), *arguments], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL


async def test_models_of_a_killed_podium_are_adopted(opened, tmp_path, line):
    alive = Line(tmp_path)
    programs = {"lives": telling(alive, FOR_EVER), "quits": telling(line, "os._exit(7)")}
    await asyncio.to_thread(killed_podium, tmp_path / "models", **programs)
    assert await alive.read()
    assert await line.read()
    backplane = await opened()
    states = {model.name: model.state for model in await backplane.list()}
    assert set(states) == {"lives", "quits"}
    assert states["lives"] == ModelState.RUNNING
    assert (await until(backplane, "quits")).exit_code == 7
    end = asyncio.create_task(until(backplane, "lives"))
    await backplane.remove("lives")
    assert (await end).signal == signal.SIGTERM


async def test_an_end_is_logged_once_and_not_at_every_start(opened, backplane):
    with structlog.testing.capture_logs() as logged:
        await run(backplane, spec("a", "pass"))
        await backplane.close()
        again = await opened()
    assert [one["event"] for one in logged if one["log_level"] != "debug"] == ["model.started", "model.ended"]
    (model,) = await again.list()
    assert model.state.ended


async def test_an_exit_of_an_adopted_model_is_reported(opened, tmp_path, line):
    await asyncio.to_thread(killed_podium, tmp_path / "models", a=telling(line, FOR_EVER))
    pid = int(await line.read())
    backplane = await opened()
    end = asyncio.create_task(until(backplane, "a"))
    os.kill(pid, signal.SIGUSR2)
    assert (await end).signal == signal.SIGUSR2


async def test_a_killed_podium_that_had_not_come_to_start_the_model(opened, tmp_path):
    half = ProcessBackplane(tmp_path / "models", models())._folder("half")
    half.path.mkdir(parents=True)
    half.fill(spec("half"), created=1.0)
    (tmp_path / "models" / "empty").mkdir()
    (tmp_path / "models" / ".dropped.1").mkdir()
    backplane = await opened()
    assert await backplane.list() == []
    await backplane.close()
    assert left(backplane) == []


def test_a_shim_that_comes_too_late_starts_nothing(tmp_path):
    folder = ProcessBackplane(tmp_path, ModelsFile())._folder("late")
    folder.path.mkdir()
    folder.fill(spec("late"), created=1.0)
    assert folder.runner() is None
    late = [sys.executable, "-I", "-S", shim.__file__, str(folder.path), str(tmp_path), "", "touch", "started"]
    assert subprocess.run(late, check=False).returncode == 0
    assert not (tmp_path / "started").exists()


TERMINATED_EARLY = """
import os, signal, sys
from podium.backplane import shim

def forked(fork=os.fork):
    if sys.argv[1] == "before":
        os.kill(os.getpid(), signal.SIGTERM)
    model = fork()
    if model == 0 and sys.argv[1] == "after":
        os.kill(os.getpid(), signal.SIGTERM)
    return model

os.fork = forked
shim.main(*sys.argv[2:])
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_sigterm_is_not_lost_while_a_model_is_forked(tmp_path, moment):
    folder = ProcessBackplane(tmp_path, ModelsFile())._folder("early")
    folder.path.mkdir()
    folder.fill(spec("early"), created=1.0)
    pid = tmp_path / "pid"
    command = ["sh", "-c", f"echo $$ > {pid}; exec sleep 1000"]
    shim_ = subprocess.Popen(
        [sys.executable, "-c", TERMINATED_EARLY, moment, str(folder.path), str(tmp_path), "", *command]
    )
    try:
        assert shim_.wait(30) == 0
    finally:
        if shim_.poll() is None:
            os.kill(int(pid.read_text()), signal.SIGKILL)
            shim_.wait()
    assert folder.ending().code == -signal.SIGTERM


async def test_a_reused_pid_is_not_taken_for_the_model(opened, tmp_path):
    first = await opened()
    await run(first, spec("old", "pass"))
    await first.close()
    folder = first._folder("old")
    (folder.path / "ending").unlink()
    me = Identity.of(os.getpid())
    (folder.path / "shim").write_text(f"{me.pid} {me.start - 1} {me.boot}\n")
    assert Identity(me.pid, me.start, "another boot").open() is None
    second = await opened()
    (model,) = await second.list()
    assert model.state == ModelState.TERMINATED_FAILED
    assert model.reason.startswith("its shim was killed")


@pytest.mark.parametrize("name", ["spec.json", "shim"])
async def test_a_damaged_folder_is_named_and_left(opened, capsys, name):
    first = await opened()
    await run(first, spec("damaged", "pass"))
    await first.close()
    (first._folder("damaged").path / name).write_text("{?")
    second = await opened()
    assert await second.list() == []
    assert "model.folder_unreadable" in capsys.readouterr().out
    with pytest.raises(Unavailable, match="File exists"):
        await second.deploy(spec("damaged"))


async def test_a_damaged_ending_is_told(opened):
    first = await opened()
    await run(first, spec("damaged", "pass"))
    await first.close()
    (first._folder("damaged").path / "ending").write_text("?")
    (model,) = await (await opened()).list()
    assert model.state == ModelState.TERMINATED_FAILED
    assert "how it ended cannot be read" in model.reason


async def test_a_cancelled_deploy_is_still_a_whole_one(backplane):
    deploy = asyncio.create_task(backplane.deploy(spec("cancelled")))
    await asyncio.sleep(0)
    deploy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deploy
    assert (await until(backplane, "cancelled", lambda _: True)).state == ModelState.RUNNING


async def test_logs_are_let_go_after_a_restart_too(opened):
    first = await opened()
    await run(first, spec("old", "pass", keep_logs_seconds=3600))
    await first.close()
    folder = first._folder("old").path
    kept = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps(kept | {"keep_logs_seconds": 0.0}))
    second = await opened()
    await second.close()
    assert not folder.exists()


async def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be used"):
        await ProcessBackplane(tmp_path / "file" / "models", models()).start()


async def test_what_a_model_locked_away_is_dropped(backplane):
    await run(backplane, spec("locked", "import os; os.makedirs('a/b'); os.chmod('a/b', 0); os.chmod('a', 0)"))
    await backplane.remove("locked")
    assert left(backplane) == []
