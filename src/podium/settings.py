"""Every setting of Podium, once: its name, its default, and where its value may come from.

The first source that names a setting wins: the command line, `PODIUM_<NAME>` (and `PODIUM_<NAME>_FILE` for what is
secret), `podium.toml`, the names that existing deployments of the field use, the default. A name that nobody knows is
never passed over in silence: in a file it is refused, in the environment it is warned of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote

import structlog
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from podium.errors import SettingsError
from podium.faults import place, worded
from podium.locations import Location as Location  # noqa: PLC0414  # others have it from here
from podium.locations import is_place

log = structlog.get_logger()

PREFIX = "PODIUM_"
CONFIG_FILE = "podium.toml"
_FROM_FILES = (
    "password",
    "secret_key",
    "broker",
    "broker_password",
    "database",
    "series",
    "artifacts",
    "artifacts_password",
    "diastema_key",
    "diastema_mongo",
    "diastema_s3",
)
# What a cluster puts into every container that stands behind a service called `podium`, and what our tests read.
_NOT_OURS = ("PODIUM_SERVICE_", "PODIUM_PORT_", "PODIUM_TEST_", "PODIUM_FAILPOINTS")


def _location(value: object) -> object:
    return Location.parse(value) if isinstance(value, str) else value


def _directory_or_location(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.startswith("file:///"):
        return Path(unquote(value.removeprefix("file://")))
    return Location.parse(value) if "://" in value else Path(value)


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Where = Annotated[Location, BeforeValidator(_location)]


class DotsSettings(BaseModel):
    """What concerns the energy simulations alone: `PODIUM_DOTS_<NAME>`, or the table `[dots]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    simulator: str = Field(default="dots-so", min_length=1, pattern=r"^[^/+#\s]+$")
    qos: Literal[0, 1] = 0
    settle_ms: float = Field(default=20.0, ge=0)
    ready_timeout_seconds: float = Field(default=300.0, gt=0)
    end_timeout_seconds: float = Field(default=30.0, gt=0)
    away_timeout_seconds: float = Field(default=600.0, gt=0)
    quiet_seconds: float = Field(default=5.0, ge=0)
    legacy_time_stamps: bool = False

    @field_validator("qos", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdigit() else value


def _service(*schemes: str) -> AfterValidator:
    def check(value: Location) -> Location:
        if value.scheme not in schemes:
            raise ValueError(f"its scheme must be {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return value

    return AfterValidator(check)


Web = Annotated[Where, _service("http", "https")]


class DiastemaSettings(BaseModel):
    """What concerns analyses alone: `PODIUM_DIASTEMA_<NAME>`, or the table `[diastema]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    key: SecretStr | None = None
    services: Web | None = None
    functions: Web | None = None
    frontend: Web | None = None
    automl: Web | None = None
    analytics: Annotated[Where, _service("tcp")] | None = None
    mongo: Annotated[Where, _service("mongodb", "mongodb+srv")] | None = None
    s3: Web | None = None
    master: Web = Location("https://192.168.49.2:8443")
    poll_seconds: float = Field(default=2.0, ge=0.05, le=3600)
    output_seconds: float = Field(default=5.0, ge=0, le=3600)
    job_timeout_seconds: float = Field(default=86400.0, gt=0)
    services_limit: int | None = Field(default=None, ge=1)
    functions_limit: int | None = Field(default=None, ge=1)
    analytics_limit: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _no_files(cls, given: object) -> object:
        """The names of files come along with other variables; what is in them was read already."""
        files = {f"{name.removeprefix('diastema_')}_file" for name in _FROM_FILES}
        return {key: value for key, value in given.items() if key not in files} if isinstance(given, dict) else given


class Settings(BaseSettings):
    """What a user can choose. Read it with `load`, which words the errors."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
    )

    host: str = "127.0.0.1"
    port: int = Field(8001, ge=0, le=65535)
    ports: Annotated[tuple[Annotated[int, Field(ge=0, le=65535)], ...], NoDecode, BeforeValidator(_listed)] = ()
    hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    data: Path = Path(".podium")
    broker: Where | None = None
    broker_username: str | None = None
    broker_password: SecretStr | None = None
    broker_advertise: str | None = None
    influx_advertise: str | None = None
    database: Where | None = None
    artifacts: Annotated[Path | Location | None, BeforeValidator(_directory_or_location)] = None
    artifacts_username: str | None = None
    artifacts_password: SecretStr | None = None
    series: Where | None = None
    functions: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_listed)] = ()
    backplane: Literal["process"] = "process"
    models: Path | None = None
    mso: bool = True
    metrics_open: bool = False
    password: SecretStr | None = None
    secret_key: SecretStr | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    dots: DotsSettings = DotsSettings()
    diastema: DiastemaSettings = DiastemaSettings()

    @field_validator("backplane", mode="before")
    @classmethod
    def _backplane_exists(cls, value: object) -> object:
        if value in ("docker", "kubernetes"):
            raise ValueError(f"the {value} backplane does not exist yet; the one there is, is `process`")
        return value

    @field_validator("port", mode="before")
    @classmethod
    def _no_service_link(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith("tcp://"):
            raise ValueError("a Kubernetes service called podium has set it; give the pod `enableServiceLinks: false`")
        return value

    @field_validator("broker_advertise", "influx_advertise")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not (value and is_place(value)):
            raise ValueError(f"{value!r} is not host:port")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {str(value)!r}")
        return value

    @field_validator("functions")
    @classmethod
    def _directories(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for path in value:
            if not path.is_dir():
                raise ValueError(f"there is no directory {str(path)!r}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, os.environ.get(f"{PREFIX}CONFIG", CONFIG_FILE))
        secrets, legacy = _SecretFiles(settings_cls), _LegacyNames(settings_cls)
        return init_settings, env_settings, secrets, toml, legacy

    @property
    def artifacts_place(self) -> Location | Path:
        """With the credentials that were given apart from it; by default it is with all other data."""
        if self.artifacts is None:
            return self.diastema.s3 or self.data / "artifacts"
        if isinstance(self.artifacts, Path):
            return self.artifacts
        user, password = self.artifacts.username, self.artifacts.password
        return Location(self.artifacts.url, self.artifacts_username or user, self.artifacts_password or password)

    @property
    def broker_location(self) -> Location | None:
        """The broker with the credentials that were given apart from it."""
        if self.broker is None:
            return None
        return Location(
            self.broker.url, self.broker_username or self.broker.username, self.broker_password or self.broker.password
        )

    @property
    def secrets(self) -> Iterator[str]:
        """Every password and key that was given, for whoever keeps them out of what is shown."""
        for holder in (self, self.diastema):
            for name in type(holder).model_fields:
                value = getattr(holder, name)
                secret = value.password if isinstance(value, Location) else value
                if isinstance(secret, SecretStr):
                    yield secret.get_secret_value()


_TABLES: Mapping[str, type[BaseModel]] = {"dots": DotsSettings, "diastema": DiastemaSettings}


class _Mapped(PydanticBaseSettingsSource):
    """A source that gives all its values at once."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False


class _SecretFiles(_Mapped):
    """`PODIUM_<NAME>_FILE`: the file whose content is the value."""

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in _FROM_FILES:
            variable = f"{PREFIX}{name.upper()}_FILE"
            if path := os.environ.get(variable):
                table, _, key = name.partition("_")
                holder, key = (found.setdefault(table, {}), key) if table in _TABLES else (found, name)
                try:
                    holder[key] = Path(path).read_text().strip()
                except OSError as error:
                    raise SettingsError(f"cannot read {path!r}: {error.strerror}", where=variable) from None
        return found


class _LegacyNames(_Mapped):
    """The names that deployments of the field have in their manifests already."""

    def __call__(self) -> dict[str, Any]:
        given = {key: value for key, value in os.environ.items() if value}
        plain = {"password": "OAUTH_PASSWORD", "secret_key": "SECRET_KEY"}
        dots = {"simulator": "SIMULATOR_NAME", "qos": "MQTT_QOS"}
        found: dict[str, Any] = {key: given[name] for key, name in plain.items() if name in given}
        if of_dots := {key: given[name] for key, name in dots.items() if name in given}:
            found["dots"] = of_dots
        if "MQTT_HOST" in given:
            user = _user(given.get("MQTT_USERNAME"), given.get("MQTT_PASSWORD"))
            found["broker"] = f"mqtt://{user}{given['MQTT_HOST']}:{given.get('MQTT_PORT', '1883')}"
        if "MINIO_HOST" in given:
            user = _user(given.get("MINIO_USER"), given.get("MINIO_PASS"))
            found["artifacts"] = f"http://{user}{given['MINIO_HOST']}:{given.get('MINIO_PORT', '9000')}"
        if of_diastema := {key: value for key, value in _of_diastema(given) if value is not None}:
            found["diastema"] = of_diastema
        if "INFLUXDB_HOST" in given:
            user = _user(given.get("INFLUXDB_USER"), given.get("INFLUXDB_PASSWORD"))
            port, database = given.get("INFLUXDB_PORT", "8086"), given.get("INFLUXDB_NAME", "")
            found["series"] = f"http://{user}{given['INFLUXDB_HOST']}:{port}/{database}"
        return found


def _of_diastema(given: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    yield "key", given.get("DIASTEMA_KEY")
    for key, name, scheme, port in (
        ("services", "DIASTEMA_SERVICES", "http", "5001"),
        ("functions", "FUNCTION_SERVICE", "http", "5001"),
        ("frontend", "DIASTEMA_FRONTEND", "http", "5001"),
        ("automl", "AUTOML", "http", "5001"),
        ("mongo", "MONGO", "mongodb", "27017"),
    ):
        if f"{name}_HOST" in given:
            yield key, f"{scheme}://{given[f'{name}_HOST']}:{given.get(f'{name}_PORT', port)}"


def _user(name: str | None, password: str | None) -> str:
    if not name:
        return ""
    return f"{quote(name, safe='')}:{quote(password or '', safe='')}@"


def load(**given: Any) -> Settings:
    """The settings, `given` from the command line (None: not given) before all other sources.

    Raises: SettingsError, naming the setting, what is wrong with it and what it may be.
    """
    _heed_unknown_variables(os.environ)
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        raise _worded(error) from None
    except ValueError as error:  # a file that is not TOML
        raise SettingsError(str(error), where=os.environ.get(f"{PREFIX}CONFIG", CONFIG_FILE)) from None


def _names() -> list[str]:
    of_tables = [f"{table}_{name}" for table, model in _TABLES.items() for name in model.model_fields]
    return [*(name for name in Settings.model_fields if name not in _TABLES), *of_tables]


def _heed_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in (*_names(), *_TABLES, "config")}
    known |= {f"{PREFIX}{name.upper()}_FILE" for name in _FROM_FILES}
    for name in environment:
        if name.startswith(PREFIX) and name not in known and not name.startswith(_NOT_OURS):
            log.warning("setting.unknown", name=name, nearest=_nearest(name, known))


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def _worded(error: ValidationError) -> SettingsError:
    problems, hints = [], []
    for fault in error.errors(include_url=False, include_input=False):
        name = place(fault["loc"])
        if fault["type"] == "extra_forbidden":
            problems.append(f"there is no setting {name!r}")
            near = _nearest(name.replace(".", "_"), _names())
            hints.append(f"Did you mean {near!r}?" if near else "`podium serve --help` lists them")
        else:
            problems.append(f"{name}: {worded(fault)}")
    return SettingsError("; ".join(problems), where="settings", hint=" ".join(hints) or None)
