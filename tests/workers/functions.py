"""What the tests have workers perform."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from shutil import which


def nothing() -> None: ...


def add(a: float, b: float) -> float:
    return a + b


def echo(**arguments):
    return arguments


def speak(number: int) -> int:
    """To both streams, below Python too, with a last line that has no end."""
    print("out", number)
    print("err", number, file=sys.stderr)
    os.write(1, b"below %d" % number)
    return number


def raises() -> None:
    raise ValueError("the river is dry")


def leaves(code: int) -> None:
    sys.exit(code)


def crashes() -> None:
    print("about to crash")
    ctypes.string_at(0)


def exits(code: int) -> None:
    print("so long")
    os._exit(code)


def tell_and_wait(fifo: str) -> None:
    """Tells its pid and lives for ever."""
    Path(fifo).write_text(str(os.getpid()))
    signal.pause()


def give(fifo: str) -> None:
    Path(fifo).write_text("here")


def take(fifo: str) -> str:
    return Path(fifo).read_text()


def say_and_take(fifo: str) -> str:
    print("waiting")
    return take(fifo)


def leave_child(fifo: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    Path(fifo).write_text(f"{os.getpid()} {child.pid}")
    signal.pause()


def mark(directory: str, name: str) -> str:
    """Leaves a trace of each time it is performed."""
    with (Path(directory) / name).open("a") as file:
        file.write("x")
    return name


def surroundings() -> dict:
    return {"env": dict(os.environ), "cwd": str(Path.cwd()), "sid": os.getsid(0), "pid": os.getpid()}


def allocate(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def burn() -> None:
    while True:
        pass


def burn_for(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() < start + seconds:
        pass


def odd(what: str):
    return {"nan": float("nan"), "object": object(), "huge": "x" * (2 << 20)}[what]


def forge() -> None:
    """Writes what only a worker may."""
    for file in Path("/proc/self/fd").iterdir():
        if int(file.name) > 2:
            with suppress(OSError):
                os.write(int(file.name), b'{"number": 999, "result": 1}\n')


def forge_mark() -> None:
    os.write(1, b"\x1e12345\x1e")


imported = which
