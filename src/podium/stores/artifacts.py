"""What the data of jobs is kept in: objects by path, in a directory or in somebody's S3.

The field lays its data out in buckets, with folders made before anything is in them, and its services read and write
there by themselves. Podium only makes folders, looks what is there and takes away; a document must run alike on both
kinds of store, so what one of them cannot name, both refuse.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

import structlog

from podium.errors import DocumentRefused, SettingsError
from podium.settings import Location

log = structlog.get_logger()

PIECE = 1 << 16  # bytes that an object is read in
KEY_BYTES, NAME_BYTES = 1024, 255  # S3's limit for a key, a file system's for each part of it
_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_PORTS = {"http": 80, "https": 443}


class Artifacts(Protocol):
    """A store. Paths are `<bucket>/<key>`; one that may not be is refused (DocumentRefused) before anything is touched.

    All methods raise Unavailable when the store cannot be reached or is too slow.

    Args:
        url: where it is, without secrets: `file:///directory` or `s3://host:port`.
    """

    url: str

    async def make_folder(self, path: str) -> None:
        """The bucket if it is missing, and an empty object whose key ends with `/`."""
        ...

    async def list(self, path: str) -> list[str]:
        """The objects below, by their whole paths, sorted. Folders are none; what does not exist has none.

        An object with a name that no path may have, which others than Podium can give it, is left out.
        """
        ...

    async def sizes(self, path: str) -> dict[str, int]:
        """The same objects, with their bytes."""
        ...

    async def remove(self, path: str) -> None:
        """One object. Nothing happens when it is not there."""
        ...

    def read(self, path: str) -> AsyncIterator[bytes]:
        """An object in pieces, none of them empty. Raises: NotFound, before the first."""
        ...

    async def write(self, path: str, content: bytes) -> None:
        """All of it or nothing is seen by others. The bucket is made if it is missing."""
        ...

    async def close(self) -> None: ...


class Place(NamedTuple):
    """A path that was found to be good."""

    bucket: str
    key: str


def place(path: str) -> Place:
    """The path of an object. Raises: DocumentRefused."""
    found = folder(path)
    if not found.key or path.endswith("/"):
        raise _refused("it names no object", path)
    return found


def folder(path: str) -> Place:
    """The path of a bucket or of a folder, with a `/` at its end or without. Raises: DocumentRefused."""
    bucket, _, key = path.removesuffix("/").partition("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise _refused("a bucket is named with 3 to 63 small letters, digits, `-` and `.`", path)
    names = key.split("/") if key else []
    if any(name in ("", ".", "..") for name in names) or "\x00" in key or not key.isprintable():
        raise _refused("an empty part, `.`, `..` and what cannot be printed may not be in it", path)
    if len(key.encode()) >= KEY_BYTES or any(len(name.encode()) > NAME_BYTES for name in names):
        raise _refused(f"it is too long: {KEY_BYTES - 1} bytes, {NAME_BYTES} each part", path[:NAME_BYTES])
    return Place(bucket, key)


def named(found: Iterable[tuple[str, int]], where: str) -> dict[str, int]:
    """Those that a path may name, sorted: what else there is could be listed but never read."""
    good: dict[str, int] = {}
    left_out: list[str] = []
    for path, size in sorted(found):
        try:
            place(path)
        except DocumentRefused:
            left_out.append(path)
        else:
            good[path] = size
    if left_out:
        log.warning("artifacts.left_out", where=where, count=len(left_out), first=ascii(left_out[0]))
    return good


def _refused(why: str, path: str) -> DocumentRefused:
    return DocumentRefused(f"no path of an artifact: {why}", where=repr(path), hint="Write <bucket>/<folder>/<name>")


def open_artifacts(where: Location | Path) -> Artifacts:
    """Not reached for before the first call. Raises: SettingsError."""
    if isinstance(where, Path):
        from podium.stores.artifacts_directory import DirectoryArtifacts

        return DirectoryArtifacts(where)
    from podium.stores.artifacts_s3 import S3Artifacts

    secret = where.password.get_secret_value() if where.password else None
    return S3Artifacts(_endpoint(where), where.username, secret, region=_region(where))


def environment(where: Location | Path) -> dict[str, str]:
    """What a service that Podium starts is told of the store, its password among it.

    `ARTIFACTS` says where; for an S3 there are the variables beside it that clients of S3 read by themselves.
    """
    if isinstance(where, Path):
        return {"ARTIFACTS": where.absolute().as_uri()}
    told = {
        "ARTIFACTS": _endpoint(where),
        "AWS_ENDPOINT_URL_S3": _endpoint(where),
        "AWS_ACCESS_KEY_ID": where.username,
        "AWS_SECRET_ACCESS_KEY": where.password.get_secret_value() if where.password else None,
        "AWS_DEFAULT_REGION": _region(where),
    }
    return {name: value for name, value in told.items() if value}


def _endpoint(where: Location) -> str:
    """`http://host:port`, the port always said."""
    parts = urlsplit(where.url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
        hint = "Write http://user:password@host:port, https:// where it has TLS, or a directory"
        raise SettingsError("the artifact store is no address of an S3", where="artifacts", hint=hint)
    return f"{parts.scheme}://{parts.netloc.removesuffix(':')}{'' if parts.port else f':{_PORTS[parts.scheme]}'}"


def _region(where: Location) -> str | None:
    return parse_qs(urlsplit(where.url).query).get("region", [None])[0]
