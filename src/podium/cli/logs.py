"""Where Podium's own log goes, and that no secret gets into it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import structlog

from podium.runs.secrets import Secrets, redact_urls

LARGEST_LOG = 20 * 2**20


def to_terminal(level: str) -> None:
    _configure(level, sys.stderr, colours=sys.stderr.isatty())


def to_file(path: Path, level: str) -> None:
    """For commands whose terminal shows progress. A log that has grown large begins anew, and its past is kept once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_suffix(".old.log"))
    _configure(level, path.open("a", encoding="utf-8", buffering=1), colours=False)


def redact(secrets: Secrets) -> None:
    """Have these taken out of everything before it is written."""
    processors = structlog.get_config()["processors"]
    structlog.configure(processors=[*processors[:-1], secrets.processor, processors[-1]])
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Redacting(secrets.redact))


def _configure(level: str, to: TextIO, *, colours: bool) -> None:
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(to),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(
                colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
            ),
        ],
        cache_logger_on_first_use=False,
    )
    # What libraries log: through the same gate, from warnings on.
    handler = logging.StreamHandler(to)
    handler.setFormatter(_Redacting(redact_urls))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _Redacting(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s [%(levelname)s] %(name)s: %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))
