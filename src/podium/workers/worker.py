"""The program inside a worker process: takes one call at a time, performs it, answers.

Run as a script under `python -I`, so it starts fast and imports nothing of Podium. It ends with whoever started it: the
kernel kills its whole process group when the other end of the pipe `life` is closed, however that came about.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

MESSAGE_BYTES = 1 << 16  # of a longer call there is only the number, and a file with the rest


class Refused(Exception):
    """The function that was asked for is none of those that may be called."""


def main(options: dict[str, Any]) -> None:
    """`options` holds the numbers of the files `calls`, `answers` and `life`, and what a `Launch` says."""
    for name in ("calls", "answers", "life"):
        os.set_inheritable(options[name], False)
    end_with_parent(options["life"])
    calls = socket.socket(fileno=options["calls"])
    answers: int = options["answers"]
    output = os.dup(1)  # a function may close its own
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    functions = Functions(options["paths"])
    sys.path[:0] = options["paths"]
    for module in options["preload"]:
        importlib.import_module(module)
    write(answers, b"{}\n")
    home = Path.cwd()
    while message := calls.recv(MESSAGE_BYTES):
        number, _, rest = message.partition(b" ")
        name, arguments = json.loads(rest or content(home / call_file(int(number))))
        if options["cpu_seconds"] is not None:
            allow_cpu(options["cpu_seconds"])
        answer = performed(functions, name, arguments, options["largest"])
        write(output, b"\x1e%b\x1e" % number)
        write(answers, b'{"number":%b,%b}\n' % (number, answer.encode()))


def end_with_parent(life: int) -> None:
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, os.O_ASYNC)


def allow_cpu(seconds: int) -> None:
    """From now on; SIGXCPU, when that is used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + seconds, hard))


def call_file(number: int) -> str:
    return f"call-{number}"


def content(file: Path) -> bytes:
    data = file.read_bytes()
    file.unlink()
    return data


def performed(functions: Functions, name: str, arguments: Mapping[str, Any], largest: int) -> str:
    """What there is to answer, as members of a JSON object: `result`, or `failed` and whether that is `final`."""
    try:
        result = functions.find(name)(**arguments)
        try:
            text = json.dumps(result, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            return failed(no_json(name, result, error), final=True)
        if len(text) > largest:
            return failed(f"its result has {len(text)} bytes as JSON, and {largest} may be", final=True)
    except Refused as error:
        return failed(str(error), final=True)
    except SystemExit as error:
        return failed(f"{name} called sys.exit({error.code!r})")
    except BaseException as error:  # noqa: BLE001
        tell(error)
        return failed(explained(name, error))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return f'"result":{text}'


def failed(reason: str, *, final: bool = False) -> str:
    return f'"failed":{json.dumps(reason)},"final":{json.dumps(final)}'


def no_json(name: str, result: object, error: Exception) -> str:
    returned = f"{name} returned a value of type {type(result).__name__}, which is not JSON: {error}"
    return f"{returned}. Return numbers, text, lists and dicts; put all else into files and return where they are"


def tell(error: BaseException) -> None:
    """Put the traceback into the log, without the lines of this file."""
    import traceback

    own = error.__traceback__
    traceback.print_exception(type(error), error, own.tb_next if own else None)


def explained(name: str, error: BaseException) -> str:
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = ""
    if place and place.tb_frame.f_code.co_filename != __file__:
        where = f", line {place.tb_lineno} of {Path(place.tb_frame.f_code.co_filename).name}"
    return f"{name} raised {said[:1000]}{where}"


class Functions:
    """The functions of the packages in `paths`, and not what those import: anybody could ask for `os:system` then."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths
        self._found: dict[str, Callable[..., Any]] = {}

    def find(self, name: str) -> Callable[..., Any]:
        """Raises: Refused, and whatever its module raises."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> Callable[..., Any]:
        module_name, _, function_name = name.partition(":")
        top = module_name.partition(".")[0]
        importlib.invalidate_caches()  # directories and modules may have come since
        spec = PathFinder.find_spec(top, self._paths)
        if spec is None:
            raise Refused(f"there is no module {top!r} in the directories for Python functions")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and module_name.startswith(error.name):
                raise Refused(f"there is no module {error.name!r}") from None
            raise
        if sys.modules[top].__spec__.origin != spec.origin:  # type: ignore[union-attr]
            raise Refused(f"{spec.origin} has the name of a module of Python itself; give it another")
        function = getattr(module, function_name, None)
        if not callable(function):
            raise Refused(f"{module_name} has no function {function_name!r}")
        if str(getattr(function, "__module__", "")).partition(".")[0] != top:
            raise Refused(f"{name} is not defined in {top}, only imported there")
        return function  # type: ignore[no-any-return]


def write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
    os._exit(0)
