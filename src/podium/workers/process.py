"""One worker process: how it is started, spoken to, and known to have ended.

Calls wait in a socket of which we hold the worker's end as well. Whoever takes a call out of it has it for good: the
worker to perform it, or we to give it to another. So it is known to a certainty which call a dead worker had begun.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from podium.backplane.environment import clean_environment
from podium.backplane.models_file import Limits
from podium.backplane.supervisor import LAST_LINES, explain, with_last_lines
from podium.runs.events import Json
from podium.workers import worker as program

log = structlog.get_logger()

_LINE_BYTES = 1 << 16  # a longer line of output is kept in pieces
_READ_BYTES = 1 << 16
_MARK = re.compile(rb"\x1e(\d+)\x1e")
_PART_OF_MARK = re.compile(rb"\x1e\d*$")


class CallFailed(Exception):
    """A function raised, could not be called, or took its worker with it.

    Args:
        reason: for people, in one sentence.
        final: trying again cannot help.
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


@dataclass(eq=False, slots=True)
class Call:
    """One call of a function: its name and arguments as JSON; `note` is given each line that it writes."""

    number: int
    content: bytes = field(repr=False)
    note: Callable[[str], None]
    future: asyncio.Future[Json]
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def fail(self, reason: str, *, final: bool = False) -> None:
        if not self.future.done():
            self.future.set_exception(CallFailed(reason, final=final))

    def said(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.last_lines.append(text)
        self.note(text)


@dataclass(frozen=True, slots=True)
class Launch:
    """How the workers of one pool are started."""

    paths: Sequence[str]
    preload: Sequence[str]
    environment: Mapping[str, str]
    limits: Limits
    largest: int

    def start(self, directory: Path) -> Process:
        """Blocks for some milliseconds. Raises: OSError; then nothing is left behind but the directory."""
        directory.mkdir(mode=0o700, parents=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        answers, output, life = os.pipe(), os.pipe(), os.pipe()
        options = {
            "calls": theirs.fileno(),
            "answers": answers[1],
            "life": life[0],
            "paths": list(self.paths),
            "preload": list(self.preload),
            "cpu_seconds": self.limits.cpu_seconds,
            "largest": self.largest,
        }
        try:
            popen = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-X", "faulthandler", program.__file__, json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=output[1],
                stderr=output[1],
                cwd=directory,
                env=clean_environment(directory) | dict(self.environment),
                pass_fds=(theirs.fileno(), answers[1], life[0]),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            theirs.close()
            for file in (answers[0], output[0], life[1]):
                os.close(file)
            raise
        finally:
            for file in (answers[1], output[1], life[0]):
                os.close(file)
        for file in (answers[0], output[0]):
            os.set_blocking(file, False)
        self._limit(popen.pid)
        return Process(popen, os.pidfd_open(popen.pid), directory, ours, theirs, answers[0], output[0], life[1])

    def _limit(self, pid: int) -> None:
        limits = self.limits
        if limits.memory_mb is not None:
            resource.prlimit(pid, resource.RLIMIT_AS, (limits.memory_mb << 20, limits.memory_mb << 20))
        if limits.open_files is not None:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
        if limits.processes is not None:
            resource.prlimit(pid, resource.RLIMIT_NPROC, (limits.processes, limits.processes))


@dataclass(frozen=True, slots=True)
class Process:
    """A started worker and our ends of all that leads to it."""

    popen: subprocess.Popen[bytes]
    pidfd: int
    directory: Path
    ours: socket.socket
    theirs: socket.socket
    answers: int
    output: int
    life: int

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()
        for file in (self.answers, self.output, self.life, self.pidfd):
            os.close(file)


class Worker:
    """A worker on the event loop.

    Args:
        answered: called when it has become ready, or has answered calls.
        gone: called when it has ended, with those of its calls that were never begun.
    """

    def __init__(
        self,
        process: Process,
        *,
        answered: Callable[[Worker], None],
        gone: Callable[[Worker, list[Call]], None],
    ) -> None:
        self._process = process
        self._on_answered = answered
        self._on_gone = gone
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, Call] = {}  # handed over and unanswered, in order
        self._part = b""  # of an answer
        self._text = b""  # of a line of output
        self._own_lines: deque[str] = deque(maxlen=LAST_LINES)  # before its first call
        self._done: deque[int] = deque()  # calls whose output has been read to its end
        self._killed = ""
        self._misspoke = False
        self.end = ""  # why it ended, once it has
        self.ready = False
        self.ending = False
        self.idle_since = self._loop.time()
        self.settled = asyncio.Event()  # it is ready, or gone
        self.gone = asyncio.Event()
        self._loop.add_reader(process.answers, self._read_answers)
        self._loop.add_reader(process.output, self._read_output)
        self._loop.add_reader(process.pidfd, self._exited)

    @property
    def pid(self) -> int:
        return self._process.popen.pid

    @property
    def directory(self) -> Path:
        return self._process.directory

    @property
    def load(self) -> int:
        return len(self._calls)

    def hand(self, call: Call) -> bool:
        """False: there is no room for it now."""
        message, file = b"%d %b" % (call.number, call.content), None
        if len(message) > program.MESSAGE_BYTES:
            file = self._file(call.number)
            file.write_bytes(call.content)
            message = b"%d" % call.number
        try:
            self._process.ours.send(message, socket.MSG_DONTWAIT)
        except OSError as error:  # full, or gone, which we shall hear of
            if file is not None:
                file.unlink()
            self.ending = self.ending or not isinstance(error, BlockingIOError)
            return False
        self._calls[call.number] = call
        return True

    def take_back(self) -> list[Call]:
        """The calls that it has not begun; it never will."""
        taken = []
        with suppress(BlockingIOError):
            while message := self._process.theirs.recv(program.MESSAGE_BYTES, socket.MSG_DONTWAIT):
                number, _, rest = message.partition(b" ")  # between two of ours it may have taken one
                taken.append(self._calls.pop(int(number)))
                if not rest:
                    self._file(int(number)).unlink()
        return taken

    def has(self, call: Call) -> bool:
        return call.number in self._calls

    def kill(self, reason: str) -> None:
        self.ending = True
        self._killed = self._killed or reason
        if not self.gone.is_set():  # until it is reaped the number is its own
            os.killpg(self.pid, signal.SIGKILL)

    def _file(self, number: int) -> Path:
        return self.directory / program.call_file(number)

    def _read_answers(self) -> None:
        self._take_answers()
        self._on_answered(self)

    def _take_answers(self) -> bool:
        try:
            data = os.read(self._process.answers, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._process.answers)
            return False
        if self._misspoke:
            return True  # what comes behind may be forged as well
        *lines, self._part = (self._part + data).split(b"\n")
        try:
            for line in lines:
                self._answered(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("worker.misspoke", pid=self.pid, error=repr(error))
            self._misspoke = True
            self.kill("something but its answers was written where they belong")
        return True

    def _answered(self, answer: dict[str, Any]) -> None:
        if not self.ready:
            self.ready = True
            self.settled.set()
            return
        number = answer["number"]
        while not (self._done and self._done[0] == number):
            if not self._take_output():
                raise ValueError(f"call {number} has no end of output")
        self._done.popleft()
        call = self._calls.pop(number)
        if "failed" in answer:
            call.fail(answer["failed"], final=answer["final"])
        elif not call.future.done():
            call.future.set_result(answer["result"])
        if not self._calls:
            self.idle_since = self._loop.time()

    def _read_output(self) -> None:
        self._take_output()

    def _take_output(self) -> bool:
        try:
            data = os.read(self._process.output, _READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._process.output)
            return False
        *pieces, self._text = _MARK.split(self._text + data)
        for said, number in zip(pieces[::2], pieces[1::2], strict=True):
            self._said(said, to_the_end=True)
            self._done.append(int(number))
        part = _PART_OF_MARK.search(self._text)
        whole, held = (self._text[: part.start()], part.group()) if part else (self._text, b"")
        self._text = self._said(whole, to_the_end=len(whole) > _LINE_BYTES) + held
        return True

    def _said(self, text: bytes, *, to_the_end: bool) -> bytes:
        """Note whole lines of the call that writes now; gives the rest."""
        if not text:
            return b""
        *lines, rest = text.split(b"\n")
        if to_the_end and rest:
            lines.append(rest)
            rest = b""
        if lines:
            call = self._speaker()
            for line in lines:
                if call is not None:
                    call.said(line)
                else:
                    self._own_lines.append(line.decode(errors="replace"))
        return rest

    def _speaker(self) -> Call | None:
        """The first call whose output has not come to its end."""
        return next((call for number, call in self._calls.items() if number not in self._done), None)

    def _exited(self) -> None:
        """It is dead; what it said before, and what it did not begin, is still in the pipes."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what it has left; a zombie's number is still its own
        code = self._process.popen.wait()
        while self._take_answers():
            pass
        while self._take_output():
            pass
        self._said(self._text, to_the_end=True)
        unbegun = self.take_back()
        self.ending = True
        for file in (self._process.answers, self._process.output, self._process.pidfd):
            self._loop.remove_reader(file)
        self._process.close()
        reason = self._reason(code)
        for call in self._calls.values():
            call.fail(with_last_lines(f"its worker ended: {reason}", call.last_lines))
        self._calls.clear()
        self.end = with_last_lines(reason, self._own_lines)
        self.settled.set()
        self.gone.set()
        self._on_gone(self, unbegun)

    def _reason(self, code: int) -> str:
        if self._killed:
            return self._killed
        return explain(code if code >= 0 else None, -code if code < 0 else None) or "it exited with code 0"
