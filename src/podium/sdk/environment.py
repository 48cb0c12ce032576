"""What an orchestrator of the field puts into a model's environment."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from podium.sdk.context import Parameter
from podium.sdk.topics import DEFAULT_SIMULATOR


class EnvironmentProblem(ValueError):
    """The environment is not one that a model can work in."""


@dataclass(frozen=True, slots=True)
class Broker:
    host: str
    port: int
    qos: int = 0
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Database:
    """An InfluxDB 1.x server."""

    host: str
    port: int
    name: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Environment:
    """Who this model is and where its broker and its database are. No `database`: results are not stored."""

    simulator: str
    simulation: str
    model: str
    broker: Broker
    database: Database | None
    log_level: int

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Raises: EnvironmentProblem, naming every variable that is missing, or the one that makes no sense."""
        needed = ("MQTT_HOST", "MQTT_PORT", "SIMULATION_ID", "MODEL_ID")
        if missing := [name for name in needed if not variables.get(name)]:
            raise EnvironmentProblem(
                f"the environment lacks {', '.join(missing)}. An orchestrator starts this program and sets these; "
                "to try a service by itself use podium.sdk.testing.Bench"
            )
        level = logging.getLevelName(variables.get("LOG_LEVEL", "INFO").upper())
        return cls(
            simulator=variables.get("SIMULATOR_ID") or DEFAULT_SIMULATOR,
            simulation=variables["SIMULATION_ID"],
            model=variables["MODEL_ID"],
            broker=Broker(
                variables["MQTT_HOST"],
                _whole(variables, "MQTT_PORT", 1883, range(1, 65536)),
                _whole(variables, "MQTT_QOS", 0, range(3)),
                variables.get("MQTT_USERNAME", ""),
                variables.get("MQTT_PASSWORD", ""),
            ),
            database=_database(variables),
            log_level=level if isinstance(level, int) else logging.INFO,
        )


def parameters(variables: Mapping[str, str], defaults: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """A service's parameters, each from `PARAMETER_<NAME>` if that is set. Raises: EnvironmentProblem."""
    return {
        name: default if (text := variables.get(f"PARAMETER_{name.upper()}")) is None else _like(default, name, text)
        for name, default in defaults.items()
    }


def _like(default: Parameter, name: str, text: str) -> Parameter:
    try:
        if isinstance(default, bool):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        value = type(default)(text)
    except (KeyError, ValueError):
        raise EnvironmentProblem(f"PARAMETER_{name.upper()} is {text!r}; {default!r} would be of its kind") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise EnvironmentProblem(f"PARAMETER_{name.upper()} is {text!r}, not a finite number")
    return value


def _database(variables: Mapping[str, str]) -> Database | None:
    if not variables.get("INFLUXDB_HOST"):
        return None
    return Database(
        variables["INFLUXDB_HOST"],
        _whole(variables, "INFLUXDB_PORT", 8086, range(1, 65536)),
        variables.get("INFLUXDB_NAME") or "podium",
        variables.get("INFLUXDB_USER", ""),
        variables.get("INFLUXDB_PASSWORD", ""),
    )


def _whole(variables: Mapping[str, str], name: str, default: int, allowed: range) -> int:
    text = variables.get(name) or str(default)
    if not text.isdecimal() or int(text) not in allowed:
        raise EnvironmentProblem(f"{name} is {text!r}, not a number from {allowed[0]} to {allowed[-1]}")
    return int(text)
