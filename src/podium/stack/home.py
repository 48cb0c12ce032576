"""The data directory: who lives in it, what is kept secret in it, and the socket file its owner is reached by.

Whoever listens on the socket file owns the directory. The kernel takes the listener away with its process, so there is
no stale owner: a socket that nobody answers is taken over. `door.lock` is held while looking and taking only.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podium.errors import Conflict, SettingsError
from podium.runs.secrets import Secrets
from podium.settings import Settings

_LOCK, _SOCKET, _MODELS_PORT = "door.lock", "podium.sock", "models.port"


class Home:
    """One data directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def exists(self) -> bool:
        """Raises: SettingsError, when we may not look."""
        try:
            return (self.path / _LOCK).exists()
        except OSError as error:
            raise self._unusable(error) from None

    def create(self) -> None:
        """Make it, or take it as it is. Raises: SettingsError, when it is full of other things."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # In this order: another Podium may make it at this moment, and makes the lock first.
            if any(self.path.iterdir()) and not self.exists:
                hint = "Choose an empty one, or one that Podium made"
                raise SettingsError("this directory holds other things", where=str(self.path), hint=hint)
            self.path.chmod(0o700)
            (self.path / _LOCK).touch(mode=0o600)
        except OSError as error:
            reason = "it is a file" if self.path.is_file() else error.strerror or error
            problem = f"the data directory cannot be used: {reason}"
            raise SettingsError(problem, where=str(self.path), hint="Choose another with --data") from None

    def database(self, settings: Settings) -> str:
        """The URL of the journal's database."""
        return settings.database.full if settings.database else f"sqlite:///{self.path / 'journal.db'}"

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.path / "secrets")

    @property
    def document_secrets(self) -> Secrets:
        """Apart from Podium's own, so that no document can ask for those."""
        return Secrets(self.path / "document-secrets")

    @contextmanager
    def socket_path(self) -> Iterator[str]:
        """A name for the socket file that fits into a socket address, however long the path of the directory is."""
        handle = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{handle}/{_SOCKET}"
        finally:
            os.close(handle)

    def has_owner(self) -> bool:
        return self.exists and self._answered()

    def claim(self) -> socket.socket:
        """Become the owner: the listening socket. Raises: Conflict, when somebody lives here."""
        with self._alone():
            if self._answered():
                hint = "Give this one another with --data, or end that one with `podium stop`"
                raise Conflict("another Podium owns this data directory", where=str(self.path), hint=hint)
            (self.path / _SOCKET).unlink(missing_ok=True)  # of a past owner; nobody else ever takes it away
            listening = socket.socket(socket.AF_UNIX)
            with self.socket_path() as path:
                listening.bind(path)
            (self.path / _SOCKET).chmod(0o600)
            listening.listen(1024)
            return listening

    @property
    def models_port(self) -> int:
        """The port models were told for their results; 0 before there was one."""
        try:
            return int((self.path / _MODELS_PORT).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    @models_port.setter
    def models_port(self, port: int) -> None:
        (self.path / _MODELS_PORT).write_text(f"{port}\n")

    def _answered(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, self.socket_path() as path:
            try:
                probe.connect(path)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except PermissionError as error:
                raise self._unusable(error) from None
            return True

    def _unusable(self, error: OSError) -> SettingsError:
        problem = f"the data directory cannot be used: {error.strerror or error}"
        return SettingsError(problem, where=str(self.path), hint="Choose another with --data")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.path / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
