"""The real parts that tests share, as fixtures."""

from __future__ import annotations

pytest_plugins = [
    "tests.parts.influx",
    "tests.parts.mongo",
    "tests.parts.mosquitto",
    "tests.parts.nats",
    "tests.parts.postgres",
    "tests.parts.seaweedfs",
]
