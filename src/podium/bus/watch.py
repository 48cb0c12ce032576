"""Two things the kernel can tell the event loop, so that nobody polls: a process ended, a file was written."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_IN_CLOSE_WRITE = 0x8


class ProcessWatch:
    """Calls `ended` once when the process `pid` ends; it need not be a child of ours."""

    def __init__(self, pid: int, ended: Callable[[], None]) -> None:
        """Raises: ProcessLookupError, when there is no such process."""
        self._fd = os.pidfd_open(pid)
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._fire)

    def _fire(self) -> None:
        self.close()
        self._ended()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


class FileWatch:
    """Calls `written` each time a file in `directory` was written and closed."""

    def __init__(self, directory: Path, written: Callable[[], None]) -> None:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _os_error(directory)
        if _libc.inotify_add_watch(self._fd, os.fsencode(directory), _IN_CLOSE_WRITE) < 0:
            os.close(self._fd)
            raise _os_error(directory)
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._fire)

    def _fire(self) -> None:
        os.read(self._fd, 65_536)
        self._written()

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def _os_error(where: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(where))
