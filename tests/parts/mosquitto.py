"""Mosquitto as a deployment runs it: a password, no limit on messages, Nagle's algorithm off; killed at will."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts import executable, free_port

USER, PASSWORD = "podium", "mosquitto's secret"


class Mosquitto:
    """One broker on one port, whose messages for durable sessions are on disk."""

    host = "127.0.0.1"
    user, password = USER, PASSWORD

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        program = executable("mosquitto", "mosquitto")
        passwords = directory / "passwords"
        maker = executable("mosquitto", "mosquitto_passwd")
        subprocess.run([maker, "-b", "-c", passwords, USER, PASSWORD], check=True, capture_output=True)
        passwords.chmod(0o600)
        config = directory / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {self.host}\n"
            f"password_file {passwords}\n"
            "set_tcp_nodelay true\n"
            "max_inflight_messages 0\n"
            "max_queued_messages 0\n"
            "persistence true\n"
            f"persistence_location {directory}/\n"
            f"log_dest file {directory}/mosquitto.log\n"
            + (f"user {os.environ.get('USER') or 'root'}\n" if os.geteuid() == 0 else "")
        )
        self._command = [str(program), "-c", str(config)]

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    async def start(self) -> None:
        """Start it; returns when it takes connections, which it tells as a service tells systemd."""
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            name = f"podium-{secrets.token_hex(8)}"
            notified.bind("\0" + name)
            loop.add_reader(notified, told.set)
            try:
                self._process = self._spawn({**os.environ, "NOTIFY_SOCKET": "@" + name})
                async with asyncio.timeout(60):
                    await told.wait()
            finally:
                loop.remove_reader(notified)

    def _spawn(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """As when the machine loses it: nothing more is written or said."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """An orderly end, with its sessions saved."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            while self._process.poll() is None:
                self._process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):  # right after its start it may overhear SIGTERM
                    self._process.wait(1)
            self._process = None


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A Mosquitto of the test's own, not yet started."""
    directory = tmp_path / "mosquitto"
    directory.mkdir()
    broker = Mosquitto(directory)
    yield broker
    broker.stop()
