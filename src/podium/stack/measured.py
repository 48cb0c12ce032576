"""The journal with a watch on how long its writing takes: what every step of every run waits for."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import Histogram

from podium.runs.events import Event, Recorded, Run, Submission
from podium.runs.journal import Journal

APPEND = Histogram(
    "podium_journal_append_seconds",
    "Time until events are written.",
    ["what"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
_SUBMITTED, _APPENDED = APPEND.labels("submission"), APPEND.labels("events")


class MeasuredJournal(Journal):
    async def submit(self, submission: Submission) -> tuple[Run, bool]:
        began = time.perf_counter()
        try:
            return await super().submit(submission)
        finally:
            _SUBMITTED.observe(time.perf_counter() - began)

    async def append(self, run: str, what: Sequence[Event]) -> list[Recorded]:
        began = time.perf_counter()
        try:
            return await super().append(run, what)
        finally:
            _APPENDED.observe(time.perf_counter() - began)
