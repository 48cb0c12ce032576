"""Processes of the operating system, named so that a reused pid is never taken for the old one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from podium.backplane import shim


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for good: pids are used again, and after a reboot start times are too."""

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """None: there is no such process."""
        try:
            return cls(pid, shim.start_ticks(pid), shim.boot_id())
        except (FileNotFoundError, ProcessLookupError):
            return None

    @classmethod
    def parse(cls, text: str) -> Identity:
        pid, start, boot = text.split()
        return cls(int(pid), int(start), boot)

    def open(self) -> int | None:
        """A pidfd of this very process, also while it is a zombie; None if it is gone."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        if Identity.of(self.pid) == self:
            return pidfd
        os.close(pidfd)
        return None


def sessions() -> Mapping[int, tuple[int, ...]]:
    """All processes that live, by the session they are in."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # gone meanwhile
            if fields[0] not in (b"Z", b"X"):
                found.setdefault(int(fields[3]), []).append(int(entry.name))
    return {session: tuple(members) for session, members in found.items()}
