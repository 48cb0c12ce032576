"""The real parts that tests run against: found, started on free ports in temporary directories, ended by pid."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest


def missing(part: str, why: str) -> NoReturn:
    """Skip the test by the name of the part it lacks; fail it where `PODIUM_TEST_REQUIRE` names it or says `all`."""
    required = os.environ.get("PODIUM_TEST_REQUIRE", "").split(",")
    if "all" in required or part in required:
        pytest.fail(f"{part} is required here and missing: {why}", pytrace=False)
    pytest.skip(f"needs {part}: {why}")


def executable(part: str, name: str, *places: str) -> Path:
    """The program `name` from PATH or one of `places` (glob patterns below /)."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    candidates = [Path(found)] if found else []
    for place in places:
        candidates += sorted(Path("/").glob(place.lstrip("/")), reverse=True)
    if not candidates:
        missing(part, f"there is no {name} on this machine")
    return candidates[0]


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago, and that no connection takes for itself."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)  # below those that connections are given
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
