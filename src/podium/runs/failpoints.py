"""Places where a test may have Podium die or stop, to see that it recovers.

`PODIUM_FAILPOINTS="journal.after_append=kill@17,conductor.before_confirm=stop"` kills the process with SIGKILL when it
comes by the first place for the 17th time, and stops it with SIGSTOP at the second. Switched off they cost nothing.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from podium.errors import SettingsError

VARIABLE = "PODIUM_FAILPOINTS"
ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(slots=True)
class Failpoint:
    signal: signal.Signals
    hits_left: int


def parse(setting: str) -> dict[str, Failpoint]:
    """Raises: SettingsError."""
    armed = {}
    for entry in filter(None, map(str.strip, setting.split(","))):
        name, _, what = entry.partition("=")
        action, _, count = what.partition("@")
        if action not in ACTIONS or (count and not (count.isdecimal() and int(count) > 0)):
            raise SettingsError(f"{entry!r} is no failpoint", where=VARIABLE, hint="Say name=kill@17 or name=stop")
        armed[name] = Failpoint(ACTIONS[action], int(count or 1))
    return armed


_armed = parse(os.environ.get(VARIABLE, ""))


def hit(name: str) -> None:
    """The process has come by the place `name`."""
    if not _armed or (point := _armed.get(name)) is None:
        return
    point.hits_left -= 1
    if point.hits_left == 0:
        os.kill(os.getpid(), point.signal)
