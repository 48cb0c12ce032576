"""The small program around each model on the process backplane: what makes a model outlive a killed Podium.

    Podium ── spawns ──▶ shim (leader of a session of its own) ── forks ──▶ model (leader of a process group)

It claims the model's folder, starts the model, keeps the last of what the model writes, and when the model has ended
puts how it ended into a file. Podium, the same or a later one, waits for the shim to exit and reads that file.

It is run as a script under `python -I -S` with the model's environment as its own, so that no secret needs a file or an
argument, and imports only modules that are built into the interpreter: there is one of it per model.
"""

from __future__ import annotations

import os
import select
import sys
import time

# The public module would double the time a shim takes to start: it makes enums of all of these.
from _signal import (  # type: ignore[import-not-found]
    SIG_BLOCK,
    SIG_DFL,
    SIG_IGN,
    SIG_UNBLOCK,
    SIGKILL,
    SIGPIPE,
    SIGTERM,
    SIGXFSZ,
    pthread_sigmask,
    signal,
    sigpending,
)

OUTPUT_FILE_BYTES = 8 << 20  # two such files are kept: the one being written and the one before
CLAIM = "shim"
ENDING = "ending"
NOT_RUNNABLE, NOT_FOUND = 126, 127  # as shells have it


def start_ticks(pid: int) -> int:
    """When `pid` was started, in clock ticks since boot; with the pid it names a process for good (until a reboot)."""
    with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 (pathlib is too dear here)
        return int(stat.read().rpartition(b")")[2].split()[19])


def identity(pid: int) -> str:
    return f"{pid} {start_ticks(pid)} {boot_id()}\n"


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123
        return file.read().strip()


def claim(folder: str, text: str) -> bool:
    """Leave `text` as the one claim on `folder`; False if another claim was first, whose model it is then."""
    mine = f"{folder}/{CLAIM}.{os.getpid()}"
    with open(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
    try:
        os.link(mine, f"{folder}/{CLAIM}")
    except FileExistsError:
        with open(f"{folder}/{CLAIM}") as file:  # noqa: PTH123
            return file.read() == text
    finally:
        os.unlink(mine)  # noqa: PTH108
    return True


class Output:
    """The last of what the model wrote, in files that are named by the place of their first byte in the whole."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.names: list[str] = []
        self.start = self.size = self.lost = 0
        self.why = ""
        self.file = self._next()

    def write(self, chunk: bytes) -> None:
        """Never fails: a model must not die because the disk is full."""
        try:
            if self.size >= OUTPUT_FILE_BYTES:
                self.start += self.size
                self.size = 0
                os.close(self.file)
                self.file = self._next()
            if self.lost:
                self._put(f"\n[podium: {self.lost} bytes of output were lost here: {self.why}]\n".encode())
                self.lost = 0
            self._put(chunk)
        except OSError as error:
            self.lost += len(chunk)
            self.why = error.strerror or type(error).__name__

    def _put(self, data: bytes) -> None:
        while data:
            written = os.write(self.file, data)
            self.size += written
            data = data[written:]

    def _next(self) -> int:
        name = f"{self.folder}/output-{self.start:015d}.log"
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.names.append(name)
        if len(self.names) > 2:
            os.unlink(self.names.pop(0))  # noqa: PTH108
        return file


class Ending:
    """The file that tells how the model ended. Its room is taken at the start: the disk may be full at the end."""

    def __init__(self, folder: str) -> None:
        self.name = f"{folder}/{ENDING}"
        self.file = os.open(f"{self.name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(self.file, b" " * 1024)

    def write(self, code: int, *, out_of_memory: bool, fault: str) -> None:
        text = f"{code}\n{time.time()}\n{int(out_of_memory)}\n{fault}\n"
        os.pwrite(self.file, text.encode(errors="replace")[:1024], 0)
        os.rename(f"{self.name}.new", self.name)  # noqa: PTH104


def out_of_memory_kills() -> int:
    """How often the kernel has killed a process for want of memory, on this machine, since it was started."""
    with open("/proc/vmstat", "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


def limit(limits: str) -> None:
    import resource

    for word in limits.split(","):
        name, _, text = word.partition("=")
        value = int(text)
        if name == "memory_mb":
            resource.setrlimit(resource.RLIMIT_AS, (value << 20, value << 20))
        elif name == "cpu_seconds":  # SIGXCPU, which says why; SIGKILL if that is ignored
            resource.setrlimit(resource.RLIMIT_CPU, (value, value + 5))
        elif name == "open_files":
            resource.setrlimit(resource.RLIMIT_NOFILE, (value, value))
        elif name == "processes":
            resource.setrlimit(resource.RLIMIT_NPROC, (value, value))


def become_model(command: list[str], cwd: str, limits: str, output: int, faults: int) -> None:
    """In the forked child: turn into the model, or say why not and exit."""
    code, doing = NOT_RUNNABLE, "set up"
    try:
        os.setpgid(0, 0)
        for ignored_here in (SIGPIPE, SIGXFSZ, SIGTERM):
            signal(ignored_here, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, [SIGTERM])
        os.dup2(output, 1)
        os.dup2(output, 2)
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("500")  # if memory runs out, a model goes before Podium or a shim does
        doing = f"enter {cwd}"
        os.chdir(cwd)
        if limits:
            doing = f"set the limits {limits}"
            limit(limits)
        doing = f"run {command[0]}"
        code = NOT_FOUND
        os.execvp(command[0], command)  # noqa: S606
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            code = NOT_RUNNABLE
        os.write(faults, f"cannot {doing}: {error.strerror if isinstance(error, OSError) else error}".encode())
    finally:
        os._exit(code)


def pump(model: int, source: int, output: Output) -> int:
    """Keep what the model writes until it has ended; then end what is left of its group. Gives its wait status."""
    ended = os.pidfd_open(model)
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(ended, select.POLLIN)
    while True:
        ready = [file for file, _ in poll.poll()]
        if ended in ready:
            break
        chunk = os.read(source, 1 << 16)
        if chunk:
            output.write(chunk)
        else:
            poll.unregister(source)
    os.killpg(model, SIGKILL)  # as in a container: what it forked ends with it. The zombie keeps the number ours.
    os.set_blocking(source, False)
    try:
        for _ in range(64):  # a pipe holds no more; a writer that left the group must not keep us
            chunk = os.read(source, 1 << 16)
            if not chunk:
                break
            output.write(chunk)
    except BlockingIOError:
        pass
    return os.waitpid(model, 0)[1]


def main(folder: str, cwd: str, limits: str, *command: str) -> None:
    os.closerange(3, 1 << 20)  # whatever a library of Podium left inheritable
    if not claim(folder, identity(os.getpid())):  # Podium does the same when it has started us; it may be killed before
        return
    ending, output, kills = Ending(folder), Output(folder), out_of_memory_kills()
    source, sink = os.pipe()
    faults, fault_sink = os.pipe()
    pthread_sigmask(SIG_BLOCK, [SIGTERM])  # it is meant for the model, from here on; earlier it prevents one
    model = os.fork()
    if model == 0:
        become_model(list(command), cwd, limits, sink, fault_sink)
    if SIGTERM in sigpending():  # perhaps it came before there was a model
        os.kill(model, SIGTERM)
    signal(SIGTERM, SIG_IGN)
    pthread_sigmask(SIG_UNBLOCK, [SIGTERM])
    os.close(sink)
    os.close(fault_sink)
    fault = os.read(faults, 1024)  # empty as soon as the model is executed
    os.close(faults)
    code = os.waitstatus_to_exitcode(pump(model, source, output))
    out_of_memory = code in (-SIGKILL, 128 + SIGKILL) and out_of_memory_kills() > kills
    ending.write(code, out_of_memory=out_of_memory, fault=fault.decode(errors="replace"))


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)
