"""The peers of job graphs, each in a virtual environment of its own (`make .venv/.peers`): 1 → N → 1 no-ops."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent / "peers" / "flow"
HOMES = Path(sys.prefix) / "peers"
SECONDS = 900
# What it is called, its environment, whether its outcomes survive a killed process.
PEERS = (
    ("dask.distributed", "dask", "volatile"),
    ("Luigi", "luigi", "volatile"),
    ("DBOS steps, SQLite", "dbos", "durable"),
    ("Temporal dev server, memory", "temporal", "volatile"),
    ("Temporal dev server, file", "temporal", "durable"),
    ("Prefect, SQLite", "prefect", "durable"),
    ("Dagster, in process, SQLite", "dagster", "durable"),
)


def rates(count: int) -> Iterator[tuple[str, str, float | None]]:
    """Name, durable or volatile, jobs a second; None where it is not installed."""
    for name, home, kind in PEERS:
        python = HOMES / home / "bin" / "python"
        if not python.exists():
            yield name, kind, None
            continue
        with tempfile.TemporaryDirectory() as directory:
            command = [python, HERE / f"{home}_graph.py", str(count)]
            if name.endswith("file"):
                command.append(f"{directory}/temporal.db")
            ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=SECONDS)
        printed = ended.stdout.split()
        if not printed:
            raise RuntimeError(f"{name} ended with {ended.returncode}: {ended.stderr[-2000:]}")
        yield name, kind, float(printed[-1])
