"""Places where a test may have Podium die or stop, to see that it recovers.

`PODIUM_FAILPOINTS="journal.after_append=kill@17,conductor.before_confirm=stop"` kills the process with SIGKILL when it
comes by the first place for the 17th time, and stops it with SIGSTOP at the second. Switched off they cost nothing.
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass

from podium.errors import SettingsError

VARIABLE = "PODIUM_FAILPOINTS"

_ENTRY = re.compile(r"([\w.]+)=(kill|stop)(?:@([1-9]\d*))?")
_ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(slots=True)
class Failpoint:
    signal: signal.Signals
    hits_left: int


def parse(setting: str) -> dict[str, Failpoint]:
    """Raises: SettingsError."""
    armed = {}
    for entry in filter(None, map(str.strip, setting.split(","))):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise SettingsError(f"{entry!r} is no failpoint", where=VARIABLE, hint="Say name=kill@17 or name=stop")
        name, action, count = match.groups(default="1")
        armed[name] = Failpoint(_ACTIONS[action], int(count))
    return armed


_armed = parse(os.environ.get(VARIABLE, ""))


def hit(name: str) -> None:
    """The process has come by the place `name`."""
    if not _armed or (point := _armed.get(name)) is None:
        return
    point.hits_left -= 1
    if point.hits_left == 0:
        os.kill(os.getpid(), point.signal)
