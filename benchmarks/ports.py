"""Free ports on loopback."""

from __future__ import annotations

import contextlib
import errno
import random
import socket


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_row(count: int) -> int:
    """The first of so many free ports side by side, below those that connections take for themselves."""
    while True:
        first = random.randrange(10_000, 32_000 - count)
        try:
            with contextlib.ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return first
