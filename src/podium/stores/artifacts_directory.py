"""Artifacts in a directory: a bucket is a directory in it, a key a path below.

Services of strangers write into it as well, so nothing in it is trusted: each part of a path is opened from the part
before it, and never through a symbolic link. A link counts as not there, and nothing is put behind one.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar
from uuid import uuid4

from podium.errors import Conflict, NotFound, Unavailable
from podium.stores.artifacts import PIECE, folder, named, place

T = TypeVar("T")

UNFINISHED = ".unfinished"  # where no bucket can be: what is being written
_CLOSED = os.O_CLOEXEC | os.O_NOFOLLOW
_DIRECTORY = _CLOSED | os.O_DIRECTORY
_READ = _CLOSED | os.O_RDONLY | os.O_NONBLOCK  # a pipe that somebody put there must not stop us
_CREATE = _CLOSED | os.O_WRONLY | os.O_CREAT | os.O_EXCL


class DirectoryArtifacts:
    """An `Artifacts` in `root`, which is made when something is first put into it."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self.url = self._root.as_uri()

    async def make_folder(self, path: str) -> None:
        bucket, key = folder(path)
        await self._do(path, lambda: self._make([bucket, *key.split("/")] if key else [bucket]))

    async def list(self, path: str) -> list[str]:
        return list(await self.sizes(path))

    async def sizes(self, path: str) -> dict[str, int]:
        bucket, key = folder(path)
        return await self._do(path, lambda: named(self._found(f"{bucket}/{key}".removesuffix("/")), path))

    async def remove(self, path: str) -> None:
        bucket, key = place(path)
        await self._do(path, lambda: self._remove(*_split(bucket, key)))

    async def read(self, path: str) -> AsyncIterator[bytes]:
        bucket, key = place(path)
        with await self._do(path, lambda: self._open(*_split(bucket, key))) as file:
            while piece := await self._do(path, lambda: file.read(PIECE)):
                yield piece

    async def write(self, path: str, content: bytes) -> None:
        bucket, key = place(path)
        await self._do(path, lambda: self._write(*_split(bucket, key), content))

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _do(self, path: str, what: Callable[[], T]) -> T:
        """In a thread, for disks can be slow."""
        try:
            return await asyncio.to_thread(what)
        except (NotADirectoryError, IsADirectoryError):
            problem = "an object cannot have the name of a folder, nor be reached through a link"
            raise Conflict(problem, where=path) from None
        except OSError as error:
            raise Unavailable(f"artifacts cannot be kept: {error.strerror or error}", where=str(self._root)) from error

    def _make(self, names: Sequence[str]) -> None:
        with self._opened(names, make=True):
            pass

    def _found(self, path: str) -> Iterator[tuple[str, int]]:
        with suppress(FileNotFoundError, NotADirectoryError), self._opened(path.split("/")) as top:
            for below, _, names, at in os.fwalk(".", dir_fd=top, onerror=_unless_gone):
                for name in names:
                    if (size := _size(name, at)) is not None:
                        yield str(PurePosixPath(path, below, name)), size

    def _remove(self, names: Sequence[str], name: str) -> None:
        with suppress(FileNotFoundError, NotADirectoryError), self._opened(names) as at:
            if _size(name, at) is not None:
                os.unlink(name, dir_fd=at)
                os.fsync(at)

    def _open(self, names: Sequence[str], name: str) -> BinaryIO:
        with suppress(FileNotFoundError, NotADirectoryError), self._opened(names) as at:
            if _size(name, at) is not None:
                return open(os.open(name, _READ, dir_fd=at), "rb")  # noqa: PTH123 - from a directory we hold
        raise NotFound("there is no such artifact", where="/".join([*names, name]))

    def _write(self, names: Sequence[str], name: str, content: bytes) -> None:
        unfinished = uuid4().hex
        with self._opened([UNFINISHED], make=True) as aside, self._opened(names, make=True) as at:
            try:
                with open(os.open(unfinished, _CREATE, 0o666, dir_fd=aside), "wb") as file:  # noqa: PTH123
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, name, src_dir_fd=aside, dst_dir_fd=at)
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=aside)
                raise
            os.fsync(at)

    @contextmanager
    def _opened(self, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """The directory `names` below the root."""
        if make:
            self._root.mkdir(parents=True, exist_ok=True)
        at = os.open(self._root, os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names:
                if make:
                    _make_directory(name, at)
                inner = os.open(name, _DIRECTORY, dir_fd=at)
                os.close(at)
                at = inner
            yield at
        finally:
            os.close(at)


def _split(bucket: str, key: str) -> tuple[Sequence[str], str]:
    *names, name = key.split("/")
    return [bucket, *names], name


def _make_directory(name: str, at: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=at)
        os.fsync(at)


def _size(name: str, at: int) -> int | None:
    """None, when there is no such file."""
    try:
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
