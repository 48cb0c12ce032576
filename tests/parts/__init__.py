"""The real parts that tests run against: found, started on free ports in temporary directories, ended by pid."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
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


def files_with(text: str, directory: Path) -> list[str]:
    """The files below it in which the text is; some may come and go meanwhile."""
    found = subprocess.run(["grep", "-rlsF", "-e", text, str(directory)], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_EACH = 2_750  # ports for each worker, all below those that connections and servers are given
_given: set[int] = set()


def free_port() -> int:
    """A TCP port on loopback that nobody listens on, and that no connection, other worker or second call is given."""
    while True:
        port = 10_000 + _WORKER * _EACH + secrets.randbelow(_EACH)
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
