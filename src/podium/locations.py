"""A URL whose user and password are kept apart, so that it can be shown."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote

from pydantic import SecretStr

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_MANY_HOSTS = {"mongodb"}  # whose replica sets are written as a:1,b:2
_PLACE = re.compile(r"(?:[^\s:@,\[\]]*|\[[0-9A-Fa-f:.%]+\])(?::(?P<port>[0-9]{1,5}))?")
_SECRET_WORDS = {"password", "passwd", "pwd", "sslpassword", "p"}
_ENCODE = "A character such as / @ : # ? % in a user or password must be percent-encoded (/ as %2F, @ as %40)"


class Location:
    """Where a part is to be found."""

    def __init__(self, url: str, username: str | None = None, password: SecretStr | None = None) -> None:
        self.url = url
        self.username = username
        self.password = password

    @classmethod
    def parse(cls, text: str) -> Location:
        """Raises: ValueError, which says nothing of the text: it may hold a password."""
        scheme, separator, rest = text.partition("://")
        if not separator or not _SCHEME.fullmatch(scheme):
            raise ValueError("not a URL: it must begin with a scheme, such as mqtt:// or postgresql://")
        cut = next((at for at, character in enumerate(rest) if character in "/?#"), len(rest))
        authority, beyond = rest[:cut], rest[cut:]
        user, at, place = authority.rpartition("@")
        name, _, secret = user.partition(":")
        places = place.split(",") if scheme.lower() in _MANY_HOSTS else [place]
        if (
            "@" in user
            or (scheme.lower() != "sqlite" and "@" in beyond)
            or not all(map(is_place, places))
            or ("" in places and (at or len(places) > 1))
        ):
            raise ValueError(f"not a URL: behind its scheme comes user:password@host:port. {_ENCODE}")
        if _SECRET_WORDS & {key.lower() for key, _ in parse_qsl(beyond.partition("?")[2], keep_blank_values=True)}:
            raise ValueError("a password is written before the host, as user:password@host, not behind a `?`")
        password = SecretStr(unquote(secret)) if secret else None
        return cls(f"{scheme.lower()}://{place}{beyond}", unquote(name) or None, password)

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def full(self) -> str:
        """The URL with its password, for a library that takes nothing else. Never to be shown."""
        if self.username is None and self.password is None:
            return self.url
        secret = f":{quote(self.password.get_secret_value(), safe='')}" if self.password else ""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{quote(self.username or '', safe='')}{secret}@{rest}"

    def __repr__(self) -> str:
        return self.url


def is_place(text: str) -> bool:
    match = _PLACE.fullmatch(text)
    return match is not None and int(match["port"] or 0) <= 65535
