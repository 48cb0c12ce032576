"""Results on their way to InfluxDB 1.x, in a thread of their own: a slow database delays no step, a dead one no run."""

from __future__ import annotations

import logging
import threading
import time
from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from itertools import islice
from urllib.parse import urlencode

from podium.sdk.environment import Database
from podium.sdk.esdl import EsdlObject

log = logging.getLogger(__name__)

BATCH_LINES = 5000
WRITE_EVERY_SECONDS = 5.0
KEEP_LINES = 500_000
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
LAST_PAUSES = (0.5, 1.0, *(2.0,) * 10)  # orchestrators give half a minute for the end
CLOSE_SECONDS = 25.0
REQUEST_SECONDS = 10.0


class _Refused(Exception):
    """The database will not have this, however often it is asked."""


class ResultsWriter:
    """Collects points, and writes them in batches while the simulation runs and at its end.

    Args:
        database: where to; it is created if it is not there.
        simulation: the tag `simulation_id`.
        model: the tag `model_id`.
    """

    def __init__(self, database: Database, simulation: str, model: str) -> None:
        self._database = database
        self._tags = {"simulation_id": simulation, "model_id": model}
        self._lines: deque[str] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._created = False
        self._lost = 0  # points given up: refused, or beyond what is kept
        self._thread = threading.Thread(target=self._work, name="results", daemon=True)
        self._thread.start()

    def record(self, stamp: int, thing: EsdlObject, fields: Mapping[str, float]) -> None:
        """Keep one point; `stamp` is in Unix seconds."""
        if not fields:
            return
        tags = {**self._tags, "esdl_id": thing.id, "esdl_name": thing.name}
        line = point(measurement(thing.type), tags, fields, stamp)
        with self._changed:
            if len(self._lines) < KEEP_LINES:
                self._lines.append(line)
            else:
                self._lost += 1
            if len(self._lines) == BATCH_LINES:
                self._changed.notify()

    def close(self) -> int:
        """Write what is left; gives the number of points that were not written, which is logged as well."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)
        with self._changed:
            left = len(self._lines) + self._lost
        if left:
            log.error("%d points of results were not written to %s:%d", left, self._database.host, self._database.port)
        return left

    def _work(self) -> None:
        pause = 0.0
        while not self._wait(pause):
            problem = self._write_all()
            pause = 0.0 if problem is None else min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
        for last_pause in LAST_PAUSES:
            if self._write_all() is None:
                return
            time.sleep(last_pause)
        self._write_all()

    def _wait(self, pause: float) -> bool:
        """Until there is something to do, or for the pause after a failure. True: nothing more will come."""

        def due() -> bool:
            return self._closing or (not pause and len(self._lines) >= BATCH_LINES)

        with self._changed:
            self._changed.wait_for(due, pause or WRITE_EVERY_SECONDS)
            return self._closing

    def _write_all(self) -> str | None:
        """Write batch after batch; gives the problem there was."""
        while True:
            with self._changed:
                batch = list(islice(self._lines, BATCH_LINES))
            if not batch:
                return None
            try:
                self._write(batch)
            except OSError as error:
                problem = str(error) or type(error).__name__
                log.warning("results not written yet: %s", problem)
                return problem
            except _Refused as error:
                log.error("%d points of results refused: %s", len(batch), error)
                self._lost += len(batch)
            with self._changed:
                for _ in batch:
                    self._lines.popleft()

    def _write(self, batch: list[str]) -> None:
        name = self._database.name
        if not self._created:
            try:
                self._post("/query", {"q": 'CREATE DATABASE "{}"'.format(name.replace('"', '\\"'))}, b"")
            except _Refused as error:
                log.info(
                    "the database '%s' was not created: %s", name, error
                )  # it may be there, and we be no administrator
            self._created = True
        self._post("/write", {"db": name, "precision": "s"}, "\n".join(batch).encode())

    def _post(self, path: str, query: Mapping[str, str], body: bytes) -> None:
        from http.client import HTTPConnection, HTTPException  # in this thread, while the main one starts

        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._database.username:
            credentials = f"{self._database.username}:{self._database.password}".encode()
            headers["Authorization"] = "Basic " + b64encode(credentials).decode()
        connection = HTTPConnection(self._database.host, self._database.port, timeout=REQUEST_SECONDS)
        try:
            connection.request("POST", f"{path}?{urlencode(query)}", body, headers)
            response = connection.getresponse()
            answer = response.read(500).decode(errors="replace").strip()
        except HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if response.status >= 300:
            problem = f"{path} answered {response.status} {answer}"
            raise _Refused(problem) if response.status in _FINAL else OSError(problem)


_FINAL = {400, 401, 403, 413, 422}


def measurement(esdl_type: str) -> str:
    """What the points of a service are called."""
    return esdl_type.lower()


def point(measurement: str, tags: Mapping[str, str], fields: Mapping[str, float], stamp: int) -> str:
    """One line of the line protocol, precision seconds. An empty tag cannot be written and is left out."""
    labels = "".join(f",{key}={_escape(value)}" for key, value in sorted(tags.items()) if value)
    values = ",".join(f"{key}={value!r}" for key, value in fields.items())
    return f"{_escape(measurement)}{labels} {values} {stamp}"


def _escape(text: str) -> str:
    text = text.replace("\n", " ").rstrip("\\")
    for special in (",", " ", "="):
        text = text.replace(special, "\\" + special)
    return text
