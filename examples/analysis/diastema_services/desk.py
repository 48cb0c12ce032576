"""The jobs of one service: begun, looked after, asked about."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from diastema_services.tables import Refused

log = logging.getLogger(__name__)

AT_ONCE = 4


class Desk:
    """Jobs by id. One that is under way is not begun again; one that has ended is."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE)
        self._jobs: dict[str, Future[Any]] = {}
        self._lock = Lock()

    def begin(self, job: str, work: Callable[[], Any]) -> None:
        with self._lock:
            before = self._jobs.get(job)
            if before is None or before.done():
                self._jobs[job] = self._threads.submit(_logged, job, work)

    def knows(self, job: str) -> bool:
        return job in self._jobs

    def result(self, job: str) -> Any:
        """Once it is complete."""
        return self._jobs[job].result()

    def progress(self, job: str) -> dict[str, str]:
        if not self._jobs[job].done():
            return {"status": "progress"}
        error = self._jobs[job].exception()
        return {"status": "complete"} if error is None else {"status": "error", "message": wording(error)}


def wording(error: BaseException) -> str:
    return str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"


def _logged(job: str, work: Callable[[], Any]) -> Any:
    try:
        result = work()
    except Refused as error:
        log.warning("job %s: %s", job, error)
        raise
    except Exception:
        log.exception("job %s", job)
        raise
    log.info("job %s: %s", job, result if result is not None else "done")
    return result
