"""The real parts that tests share, as fixtures."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("podium", deadline=None)  # a machine that is busy elsewhere makes no test fail
settings.load_profile("podium")

pytest_plugins = [
    "tests.parts.influx",
    "tests.parts.mongo",
    "tests.parts.mosquitto",
    "tests.parts.nats",
    "tests.parts.postgres",
    "tests.parts.seaweedfs",
]
