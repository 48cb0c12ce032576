"""Rows of the journal and what they stand for, each under a checksum: a damaged record is found when it is read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row

from podium.errors import DocumentRefused, JournalDamaged
from podium.runs.database import RESTORE
from podium.runs.events import Event, Failure, Json, Recorded, Run, RunState

Values = dict[str, Any]

_SPLIT_LEVELS = 4  # behind them are the results of single jobs

_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode(value: Any, where: str) -> str:
    """JSON in ASCII. Raises: DocumentRefused."""
    try:
        return _to_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise DocumentRefused(f"this cannot be written as JSON ({error})", where=where) from None


def encode_large(value: Any, where: str, largest: int) -> str | None:
    """The same, piece by piece; None, when it is longer than `largest`.

    For a thread beside which others have their turn, which they have not within one piece.

    Raises: DocumentRefused.
    """
    found: list[str] = []
    left = largest
    for piece in _pieces(value, where, _SPLIT_LEVELS):
        left -= len(piece)
        if left < 0:
            return None
        found.append(piece)
    return "".join(found)


def _pieces(value: Any, where: str, levels: int) -> Iterator[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not levels or not any(isinstance(each, dict | list | str) for each in inner):
        yield encode(value, where)
    elif isinstance(value, dict):
        for number, (key, each) in enumerate(value.items()):
            named = encode({key: 0}, where)[1:-2]  # with the colon; a key that is no text becomes one
            yield f"{',' if number else '{'}{named}"
            yield from _pieces(each, where, levels - 1)
        yield "}"
    else:
        for number, each in enumerate(value):
            yield "," if number else "["
            yield from _pieces(each, where, levels - 1)
        yield "]"


def checksum(*values: object) -> int:
    return zlib.crc32("\0".join(map(str, values)).encode("utf-8", "surrogateescape"))


def event_row(position: int, run: str, seq: int, time: float, event: Event, data: str) -> Values:
    return {
        "position": position,
        "run": run,
        "seq": seq,
        "time": time,
        "type": event.type,
        "schema": event.schema,
        "data": data,
        "checksum": checksum(position, run, seq, time, event.type, event.schema, data),
    }


def read_event(row: Row[*tuple[Any, ...]]) -> Recorded:
    """Raises: JournalDamaged."""
    position, run, seq, time, type_, schema, data, expected = row
    if checksum(position, run, seq, time, type_, schema, data) != expected:
        raise JournalDamaged(
            f"the record at position {position} (run {run!r}, event {seq}) is not what was written", hint=RESTORE
        )
    return Recorded(position, run, seq, time, Event(type_, json.loads(data), schema))


def run_row(run: Run, key: str | None, position: int) -> Values:
    values = standing_row(run)
    values |= {"id": run.id, "kind": run.kind, "name": run.name, "submitted": run.submitted, "lane": run.lane}
    return values | {"key": key, "position": position}


def standing_row(run: Run) -> Values:
    """What changes of a run as it moves on."""
    error = None if run.error is None else encode(run.error.as_json(), "error")
    return {
        "state": run.state.value,
        "started": run.started,
        "ended": run.ended,
        "seq": run.seq,
        "error": error,
        "checksum": _run_checksum(run, error),
    }


def read_run(row: Row[*tuple[Any, ...]]) -> Run:
    """Raises: JournalDamaged."""
    id_, kind, name, state, submitted, lane, started, ended, seq, error, expected = row
    try:
        failure = None if error is None else _read_failure(json.loads(error))
        run = Run(id_, kind, name, RunState(state), submitted, lane, started, ended, seq, failure)
        if _run_checksum(run, error) == expected:
            return run
    except (ValueError, KeyError, TypeError):
        pass  # not even readable: damaged all the more
    raise JournalDamaged(f"what is kept of run {id_!r} is not what was written", hint=RESTORE)


def failure_of(data: Mapping[str, Any]) -> Failure | None:
    """The reason in the data of run.failed or run.cancelled, if there is one."""
    error = data.get("error")
    return None if error is None else _read_failure(error)


def read_json(data: str, expected: int, run: str, what: str) -> Json:
    """Raises: JournalDamaged."""
    if checksum(run, data) != expected:
        raise JournalDamaged(f"the {what} of run {run!r} is not what was written", hint=RESTORE)
    try:
        value: Json = json.loads(data)
    except ValueError:
        raise JournalDamaged(f"the {what} of run {run!r} cannot be read", hint=RESTORE) from None
    return value


def _run_checksum(run: Run, error: str | None) -> int:
    return checksum(
        run.id, run.kind, run.name, run.state.value, run.submitted, run.lane, run.started, run.ended, run.seq, error
    )


def _read_failure(error: Mapping[str, Any]) -> Failure:
    lines = error.get("last_lines") or ()
    return Failure(error["reason"], error.get("model"), error.get("exit_code"), tuple(lines), error.get("hint"))
