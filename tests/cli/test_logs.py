"""No secret gets into Podium's own log, whoever writes it."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import structlog

from podium.cli import logs
from podium.runs.secrets import Secrets


def test_what_we_and_what_libraries_log_is_masked(tmp_path: Path) -> None:
    secrets, written = Secrets(tmp_path / "secrets"), io.StringIO()
    logs._configure("info", written, colours=False)
    logs.redact(secrets)
    secrets.know("open sesame")
    structlog.get_logger().info("it.happens", what="open sesame", where="mqtt://me:word@broker")
    logging.getLogger("library").warning("%s and %s", "open sesame", "mqtt://me:word@broker")
    ours, theirs = written.getvalue().splitlines()
    assert "***" in ours
    assert "*** and mqtt://me:***@broker" in theirs
    assert all(word not in ours + theirs for word in ("sesame", "word@"))
