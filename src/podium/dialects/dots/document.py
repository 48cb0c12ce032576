"""The body of `/start` and `/queue`, as the field spells it, with Podium's own keys, all optional.

Bodies of the older orchestrator (`time_step_seconds`, `nr_of_time_steps`) and of the newer
(`simulation_duration_in_seconds`, a period per calculation) are both read.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from podium.dialects.dots.names import is_service_name, uncarried
from podium.errors import Fault

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOST_ENTRIES = 1000  # of any list; the check of a longer one ends there
A_DATE = "2023-01-25 00:00:00"
_PIECE = 2**18  # characters; of base64 a whole number of groups
A_YEAR = 366 * 24 * 3600
NO_STEP = "is missing, and no service has a period that it could follow from"
NO_END = "is missing, and so is simulation_duration_in_seconds"
LEVELS = ("debug", "info", "warning", "error", "critical")

# What every model is told; a service's own variables may not stand in for them.
MODEL_VARIABLES = (
    *("MQTT_HOST", "MQTT_PORT", "MQTT_QOS", "MQTT_USERNAME", "MQTT_PASSWORD"),
    *("SIMULATOR_ID", "SIMULATION_ID", "MODEL_ID"),
    *("INFLUXDB_HOST", "INFLUXDB_PORT", "INFLUXDB_USER", "INFLUXDB_PASSWORD", "INFLUXDB_NAME", "LOG_LEVEL"),
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_TELLING = re.compile(r"PASS|SECRET|TOKEN|CREDENTIAL|(^|_)(KEY|PWD|AUTH)(_|$)", re.IGNORECASE)


def _no_truth(given: Any) -> Any:
    """Numbers may be texts, as the field's orchestrator takes them too; nobody means 1 by `true`."""
    if isinstance(given, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004  # pydantic wants it so
    return given


Whole = Annotated[int, BeforeValidator(_no_truth)]
Number = Annotated[float, BeforeValidator(_no_truth)]


class EnvironmentVariable(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: str
    value: str = ""

    @property
    def secret(self) -> bool:
        """Whether its name says that nobody else should read it."""
        return bool(self.value) and _TELLING.search(self.name) is not None

    @field_validator("name")
    @classmethod
    def _nameable(cls, name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            raise ValueError("an environment variable is named with letters, digits and _")
        if name in MODEL_VARIABLES:
            raise ValueError(f"{name} is told to every model by Podium")
        return name

    @field_validator("value")
    @classmethod
    def _settable(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("an environment variable cannot hold a NUL character")
        return value


def _none(given: Any) -> Any:
    """No list is an empty one."""
    return [] if given is None else given


def _listed(given: Any) -> Any:
    """A mapping of variables in the form of a list."""
    if isinstance(given, dict):
        return [{"name": name, "value": value} for name, value in given.items()]
    return given


class DeclaredCalculation(BaseModel):
    """A calculation that is not due in every step, for services that do not tell of it themselves."""

    name: str = ""
    period_seconds: Whole = Field(gt=0)
    offset_seconds: Whole = Field(default=0, ge=0)


class CalculationService(BaseModel):
    model_config = ConfigDict(extra="allow")  # handed on to the models as posted

    esdl_type: str = Field(min_length=1)
    calc_service_name: str
    service_image_url: str
    nr_of_models: Whole = Field(default=1, ge=0)
    additional_env_variable: Annotated[
        list[EnvironmentVariable], Field(max_length=MOST_ENTRIES), BeforeValidator(_listed), BeforeValidator(_none)
    ] = []
    calculations: Annotated[list[DeclaredCalculation], Field(max_length=MOST_ENTRIES), BeforeValidator(_none)] = []

    @field_validator("calc_service_name")
    @classmethod
    def _carried(cls, name: str) -> str:
        if not is_service_name(name):
            raise ValueError(f"{name!r} cannot name a pod and a topic; use letters, digits, _ and -, not at either end")
        return name

    @field_validator("service_image_url")
    @classmethod
    def _an_image(cls, image: str) -> str:
        if not image or any(character.isspace() or not character.isprintable() for character in image):
            raise ValueError(f"{image!r} is not the name of an image, such as registry/name:tag")
        return image


class Body(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=200)
    start_date: str
    time_step_seconds: Whole | None = Field(default=None, gt=0)
    nr_of_time_steps: Whole | None = Field(default=None, gt=0)
    simulation_duration_in_seconds: Whole | None = Field(default=None, gt=0)
    max_step_calc_time_minutes: Number = Field(default=10, gt=0, le=A_YEAR / 60)
    keep_logs_hours: Number = Field(default=24.0, ge=0, le=10 * A_YEAR / 3600)
    log_level: str = "info"
    calculation_services: list[CalculationService] = Field(min_length=1, max_length=MOST_ENTRIES)
    esdl_base64string: str

    on_model_failure: Literal["fail", "continue"] = "fail"
    ready_timeout_seconds: Number | None = Field(default=None, gt=0, le=A_YEAR)
    end_timeout_seconds: Number | None = Field(default=None, gt=0, le=A_YEAR)
    settle_ms: Number | None = Field(default=None, ge=0, le=60_000)

    @field_validator("name")
    @classmethod
    def _carried(cls, name: str) -> str:
        if bad := uncarried(name.replace(" ", "")):
            raise ValueError(f"the broker cannot carry {bad} in {name!r}; leave it out")
        if not any(character.isalnum() for character in name):
            raise ValueError("a simulation is named with letters or digits")
        return name

    @field_validator("start_date")
    @classmethod
    def _a_date(cls, text: str) -> str:
        try:
            when = _moment(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a date; write it as {A_DATE}") from None
        if not EARLIEST <= when < LATEST:
            raise ValueError(f"{text!r} lies outside the years {EARLIEST.year} to {LATEST.year - 1}")
        if when.microsecond:
            raise ValueError(f"{text!r} lies between two seconds; steps begin at whole ones")
        return text

    @field_validator("log_level")
    @classmethod
    def _a_level(cls, level: str) -> str:
        if level.lower() == "warn":
            return "warning"
        if level.lower() not in LEVELS:
            raise ValueError(f"{level!r} is not one of {', '.join(LEVELS)}")
        return level

    @model_validator(mode="after")
    def _fits(self) -> Body:
        end = self.start + self.step_seconds * self.steps
        if end > LATEST.timestamp():
            raise ValueError(
                f"nr_of_time_steps: {self.steps} steps of {self.step_seconds} s end after {LATEST.year - 1}"
            )
        return self

    @property
    def start(self) -> int:
        """Unix seconds; a date without a zone is UTC."""
        return int(_moment(self.start_date).timestamp())

    @property
    def step_seconds(self) -> int:
        """As given, else the longest step that meets every period and offset."""
        if self.time_step_seconds is not None:
            return self.time_step_seconds
        calculations = [one for service in self.calculation_services for one in service.calculations]
        if not calculations:
            raise ValueError(f"time_step_seconds: {NO_STEP}")
        return math.gcd(*(one.period_seconds for one in calculations), *(one.offset_seconds for one in calculations))

    @property
    def steps(self) -> int:
        if self.simulation_duration_in_seconds is None:
            if self.nr_of_time_steps is None:
                raise ValueError(f"nr_of_time_steps: {NO_END}")
            return self.nr_of_time_steps
        follows = -(-self.simulation_duration_in_seconds // self.step_seconds)
        if self.nr_of_time_steps not in (None, follows):
            raise ValueError(f"nr_of_time_steps: simulation_duration_in_seconds makes {follows} steps of it")
        return follows


def unsaid(given: Mapping[str, Any]) -> list[Fault]:
    """What is missing where one of two would do, whatever else is wrong."""
    faults = []
    services = given.get("calculation_services")
    periods = any(isinstance(one, dict) and one.get("calculations") for one in _list(services))
    if given.get("time_step_seconds") is None and not periods:
        faults.append(Fault("time_step_seconds", NO_STEP))
    if given.get("nr_of_time_steps") is None and given.get("simulation_duration_in_seconds") is None:
        faults.append(Fault("nr_of_time_steps", NO_END))
    return faults


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def _moment(text: str) -> datetime:
    when = datetime.fromisoformat(text.strip())
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def padded(text: str) -> str:
    """Base64 in one line with its padding, which may be missing in what is posted; what is not ASCII becomes a `?`."""
    pieces = (piece.encode("ascii", "replace").translate(None, b" \t\r\n\f\v") for piece in _pieces(text))
    packed = b"".join(pieces).rstrip(b"=").decode()
    return packed + "=" * (-len(packed) % 4)


def decode_base64(text: str) -> bytes:
    """The bytes that `text` stands for.

    Raises: ValueError.
    """
    packed = text.rstrip("=")
    if "=" in packed:
        raise ValueError("this is not base64: there is more behind its end, which is marked by =")
    if len(packed) % 4 == 1:  # which no padding mends
        raise ValueError("this is not base64: it is cut short, or has a character too many")
    try:
        return b"".join(binascii.a2b_base64(piece, strict_mode=True) for piece in _pieces(text))
    except ValueError as error:  # also for what is not ASCII
        raise ValueError(f"this is not base64: {str(error)[:1].lower()}{str(error)[1:]}") from None


def _pieces(text: str) -> Iterator[str]:
    """An energy system may have megabytes, and nobody else in the house has a turn within one call."""
    return (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))


def encode_base64(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode("ascii")
