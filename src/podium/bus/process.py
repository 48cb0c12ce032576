"""A process that outlives us: in its own session, known again by pid and start time, ended by exactly that pid."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from podium.bus.watch import ProcessWatch

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Process:
    """A process as `/proc` knows it; a pid alone may be somebody else's by tomorrow."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The living process with this pid; a zombie lives no more."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name in brackets may hold anything, so fields are counted from the last bracket on.
        state, *fields = stat.rpartition(")")[2].split()
        return None if state in "ZX" else cls(pid, int(fields[18]), _BOOT_ID.read_text().strip())

    @property
    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Process | None:
        """The process that was saved in `path`, when it still lives."""
        try:
            saved = cls(**json.loads(path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return saved if saved.alive else None

    def watch(self, ended: Callable[[], None]) -> ProcessWatch:
        """Raises: ProcessLookupError, when it has ended already."""
        watch = ProcessWatch(self.pid, ended)
        if not self.alive:
            watch.close()
            raise ProcessLookupError(self.pid)
        return watch

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, to this process or to none."""
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)

    async def end(self, grace: float) -> None:
        """SIGTERM, and SIGKILL when it has not ended `grace` seconds later."""
        gone = asyncio.Event()
        try:
            watch = self.watch(gone.set)
        except ProcessLookupError:
            return
        try:
            self.signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(gone.wait(), grace)
            except TimeoutError:
                self.signal(signal.SIGKILL)
                await gone.wait()
        finally:
            watch.close()


def spawn(command: list[str], *, errors: Path, lock: int, environment: Mapping[str, str]) -> Process:
    """Start `command` in a session of its own; it holds the open file `lock` for as long as it lives."""
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(errors), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, lock, 3),
        ],
        setsid=True,
    )
    # Our own child keeps its entry in /proc until `reap`, dead or alive.
    return Process.of(pid) or Process(pid, 0, "")


def reap(pid: int) -> int | None:
    """The exit code of a child of ours that has ended (negative: the signal); None for somebody else's child."""
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)


def write_private(path: Path, text: str) -> None:
    """Replace `path` at once by a file that only we may read."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
