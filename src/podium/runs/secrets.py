"""Passwords and tokens: kept in files of their own, put in place only where they are used, taken out of what is shown.

Documents, commands and events hold `{"$secret": name}` where the value would stand. So the journal, its copies and its
readers never have it.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from podium.errors import DocumentRefused, NotFound
from podium.runs.events import Json

MASK = "***"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_IN_URL = re.compile(r"(?<=://)([^\s/?#:@'\"]*):[^\s/?#'\"]*@")
_IN_QUERY = re.compile(r"(?i)\b(password|passwd|token|secret)=[^\s&'\"]+")
_SHORTEST = 4  # characters; masking less would make every log unreadable and protect nothing


class Secrets:
    """The secrets of one data directory, each a file.

    Args:
        directory: is made with mode 0700; the files in it have 0600.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        for path in directory.iterdir():
            if _NAME.fullmatch(path.name):
                self.know(path.read_text())

    def put(self, name: str, value: str) -> None:
        """Keep a secret, in place of an older one of that name. Raises: DocumentRefused (the name)."""
        self._write(self._path(name), value, os.replace)
        self.know(value)

    def get(self, name: str) -> str:
        """Raises: NotFound."""
        try:
            value = self._path(name).read_text()
        except FileNotFoundError:
            raise NotFound(f"there is no secret {name!r}", where=str(self._directory)) from None
        self.know(value)
        return value

    def drop(self, owner: str) -> None:
        """Forget the secrets named `<owner>.…`."""
        for path in self._directory.iterdir():
            if path.name.startswith(f"{owner}."):
                path.unlink(missing_ok=True)

    def generate(self, name: str) -> str:
        """The secret of that name; made up if there is none."""
        try:
            return self.get(name)
        except NotFound:
            value = secrets.token_urlsafe(32)
        try:
            self._write(self._path(name), value, os.link)
        except FileExistsError:  # another process was faster: it is the same secret for both
            return self.get(name)
        self.know(value)
        return value

    def resolve(self, value: Json) -> Json:
        """A copy with every `{"$secret": name}` replaced by what it stands for. Raises: NotFound, DocumentRefused."""
        match value:
            case {"$secret": str(name), **others} if not others:
                return self.get(name)
            case {"$secret": _}:
                raise DocumentRefused("$secret takes the name of a secret and stands alone")
            case dict():
                return {key: self.resolve(item) for key, item in value.items()}
            case list():
                return [self.resolve(item) for item in value]
            case _:
                return value

    def know(self, *values: str) -> None:
        """Mask these from now on, wherever they came from."""
        new = {value for value in values if len(value) >= _SHORTEST} - self._known
        if new:
            self._known |= new | {quote(value, safe="") for value in new}
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """The text without the secrets that are known here, and without passwords in URLs."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return redact_urls(text)

    def processor(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """For structlog, behind whatever makes texts of exceptions."""
        return {key: _masked(value, self.redact) for key, value in event.items()}

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            hint = "Use letters, digits, dots, dashes and underscores"
            raise DocumentRefused(f"{name!r} cannot be the name of a secret", hint=hint)
        return self._directory / name

    def _write(self, path: Path, value: str, into_place: Callable[[str, Path], None]) -> None:
        """All of it or nothing, on disk: a half-written password would lock everybody out."""
        handle, temporary = tempfile.mkstemp(dir=self._directory, prefix="~")  # 0600 from the start
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
            into_place(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)


def redact_urls(text: str) -> str:
    """The text without passwords in URLs and their queries."""
    return _IN_QUERY.sub(rf"\1={MASK}", _IN_URL.sub(rf"\1:{MASK}@", text))


def _masked(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case str():
            return redact(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {key: _masked(item, redact) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(item, redact) for item in value]
        case _:
            return redact(str(value))
