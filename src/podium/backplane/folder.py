"""What is kept of one model of the process backplane on disk, so that a later Podium finds it again.

<name>/spec.json     what was asked for; no environment: that may hold secrets
       shim          who runs it (pid, start time, boot), or the mark that nobody ever will
       ending        how it ended
       output-*.log  what it wrote
       shim.log      what the shim itself had to complain about
       work/         the model's own: working directory, HOME, TMPDIR
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from podium.backplane import shim
from podium.backplane.port import ModelSpec
from podium.backplane.sessions import Identity

TAIL_BYTES = 1 << 16
_NOBODY = "nobody\n"


@dataclass(frozen=True, slots=True)
class Kept:
    """The part of a `ModelSpec` that is written down."""

    name: str
    image: str
    labels: dict[str, str]
    created: float
    keep_logs_seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """What the shim's file of that name says."""

    code: int  # below zero: the signal
    ended: float
    out_of_memory: bool
    fault: str


@dataclass(frozen=True, slots=True)
class ModelFolder:
    path: Path

    @property
    def work(self) -> Path:
        return self.path / "work"

    def fill(self, spec: ModelSpec, created: float) -> Kept:
        kept = Kept(spec.name, spec.image, dict(spec.labels), created, spec.keep_logs_seconds)
        self.work.mkdir(mode=0o700)
        new = self.path / "spec.new"
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(kept)), encoding="utf-8")
        new.rename(self.path / "spec.json")
        return kept

    def kept(self) -> Kept | None:
        """None: it was never wholly created. Raises: ValueError, when it cannot be what was written."""
        try:
            return Kept(**json.loads((self.path / "spec.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except TypeError as error:
            raise ValueError(str(error)) from error

    def runner(self) -> Identity | None:
        """Who runs it. None: nobody does, and nobody will from now on. Raises: ValueError, when it cannot be read."""
        if shim.claim(str(self.path), _NOBODY):
            return None
        text = (self.path / shim.CLAIM).read_text(encoding="utf-8")
        return None if text == _NOBODY else Identity.parse(text)

    def ending(self) -> Ending | None:
        try:
            text = (self.path / shim.ENDING).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            code, ended, out_of_memory, fault, *_ = text.split("\n")
            return Ending(int(code), float(ended), out_of_memory == "1", fault)
        except ValueError:
            damaged = self.path / shim.ENDING
            return Ending(shim.NOT_RUNNABLE, damaged.stat().st_mtime, False, f"how it ended cannot be read: {damaged}")

    def end(self, reason: str) -> None:
        """Write down what no shim could: that the model was killed."""
        shim.Ending(str(self.path)).write(-signal.SIGKILL, out_of_memory=False, fault=reason)

    def output(self, last_bytes: int | None = None) -> str:
        """What the model wrote, as far as it is kept, or the end of it."""
        files = sorted(self.path.glob("output-*.log"))
        data = b"".join(map(_read, files))
        cut = int(files[0].stem.removeprefix("output-")) if files else 0
        if last_bytes is not None and len(data) > last_bytes:
            end = data[-last_bytes:]
            return (end.partition(b"\n")[2] or end).decode(errors="replace")
        note = f"[podium: the first {cut} bytes of output were cut]\n" if cut else ""
        return note + data.decode(errors="replace")

    def complaints(self) -> str:
        return _read(self.path / "shim.log").decode(errors="replace").strip()

    def drop(self) -> None:
        """Remove it, at once for whoever looks; a Podium killed meanwhile leaves a name that starts with a dot."""
        trash = self.path.with_name(f".{self.path.name}.{time.time_ns()}")
        self.path.rename(trash)
        clear(trash)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # rotated away meanwhile, or never made
        return b""


def last(text: str, lines: int | None) -> str:
    """The text, or so many of its last lines."""
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""


def clear(directory: Path) -> None:
    """Remove a tree, directories that its owner may not write to included. Raises: OSError."""
    for parent, directories, _ in os.walk(directory):
        for name in directories:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(directory)
