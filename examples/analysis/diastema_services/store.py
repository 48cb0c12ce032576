"""The artifact store as services see it: a directory or an S3, `<bucket>/<key>`, where the environment says.

`ARTIFACTS` is `file:///directory` or the address of an S3; the credentials of an S3 are where all its clients look
for them: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import fsspec

SUFFIXES = (".csv", ".parquet")


class Store:
    def __init__(self, files: Any, root: str = "") -> None:
        self._files = files
        self._root = root

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Store:
        where = environment["ARTIFACTS"]
        if where.startswith("file://"):
            root = unquote(where.removeprefix("file://"))
            return cls(fsspec.filesystem("file", auto_mkdir=True), f"{root}/")
        return cls(s3(where, environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")))

    def tables(self, path: str) -> list[str]:
        """The files of a table: all below a folder, or the one that `path` names."""
        try:
            found = [str(name).removeprefix(self._root) for name in self._files.find(self._at(path))]
        except FileNotFoundError:  # no such bucket
            return []
        return sorted(name for name in found if name.endswith(SUFFIXES))

    def read(self, path: str) -> bytes:
        content: bytes = self._files.cat_file(self._at(path))
        return content

    def write(self, path: str, content: bytes) -> None:
        self._files.makedirs(self._at(path.partition("/")[0]), exist_ok=True)
        self._files.pipe_file(self._at(path), content)

    def remove(self, path: str) -> None:
        self._files.rm_file(self._at(path))

    def _at(self, path: str) -> str:
        if any(part in ("", ".", "..") for part in path.rstrip("/").split("/")):
            raise ValueError(f"no path of an artifact: {path!r}")
        return f"{self._root}{path.rstrip('/')}"


def s3(endpoint: str, user: str | None, password: str | None) -> Any:
    # Others write there as well, so what was listed once is not remembered.
    return fsspec.filesystem("s3", endpoint_url=endpoint, key=user, secret=password, use_listings_cache=False)
