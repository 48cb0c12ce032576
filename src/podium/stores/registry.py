"""The registry of model configurations: what a type of model is in each of its versions, for good.

A run that names a version must mean the same image and parameters next year. So entries are only ever added; one that
should not be used any more is marked as deprecated, and is found by its full identifier still.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from podium.errors import Conflict, DocumentRefused, NotFound
from podium.runs.database import Database, database_errors
from podium.runs.records import encode

log = structlog.get_logger()

T = TypeVar("T")

_metadata = MetaData()
_models = Table(
    "models",
    _metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("pull_secret", Text),
    Column("parameters", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("added", Float(53), nullable=False),
    Column("deprecated", Boolean, nullable=False),
    UniqueConstraint("name", "version"),
)


@dataclass(frozen=True, slots=True)
class ModelConfiguration:
    """One version of one type of model.

    Args:
        name: the type of model, or the image's name without its tag.
        version: of the configuration, or the image's tag.
        image: what is run.
        pull_secret: the name of the secret with which the image is fetched, never its value.
        parameters: JSON object that models of this version are given.
        description: for people.
        added: Unix seconds; set by the registry.
        deprecated: new runs should use another version.
    """

    name: str
    version: str
    image: str
    pull_secret: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    added: float = 0.0
    deprecated: bool = False

    @property
    def identifier(self) -> str:
        return f"{self.name}{'@' if ':' in self.version else ':'}{self.version}"

    @property
    def content(self) -> tuple[object, ...]:
        """What may never change."""
        return self.image, self.pull_secret, dict(self.parameters), self.description


def split(identifier: str) -> tuple[str, str | None]:
    """Name and version of `host:5000/name:version`, `name@sha256:digest` or `name`, which has no version."""
    if "@" in identifier:
        name, _, version = identifier.partition("@")
        return name, version
    path, slash, last = identifier.rpartition("/")
    name, _, version = last.partition(":")
    return path + slash + name, version or None


class Registry:
    """The registry in one database, which it may share with the journal and with other processes.

    Args:
        url: as the journal's.
        clock: gives Unix seconds.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(url)
        self._clock = clock

    async def open(self) -> None:
        """Raises: Unavailable, JournalDamaged."""
        await asyncio.to_thread(self._database.prepare, _metadata.create_all)

    async def close(self) -> None:
        await asyncio.to_thread(self._database.dispose)

    async def add(self, configuration: ModelConfiguration) -> ModelConfiguration:
        """Add a version; one that is there already is given back. Raises: Conflict (it is there and says otherwise)."""
        for key in ("name", "version", "image"):
            word = getattr(configuration, key)
            if not word or not word.isprintable() or " " in word:
                raise DocumentRefused(f"{word!r} is no name of a model, version or image", where=key)
        row = {
            "name": configuration.name,
            "version": configuration.version,
            "image": configuration.image,
            "pull_secret": configuration.pull_secret,
            "parameters": encode(dict(configuration.parameters), "parameters"),
            "description": configuration.description,
            "added": float(self._clock()),
            "deprecated": False,
        }
        stored = await asyncio.to_thread(self._add, row)
        if stored.content != configuration.content:
            raise Conflict(
                f"{configuration.identifier} is registered already and is not the same",
                hint="Add it under a new version: what a version means never changes",
            )
        return stored

    async def deprecate(self, identifier: str) -> ModelConfiguration:
        """Mark a version as not to be used in new runs. Raises: NotFound."""
        found = await self.lookup(identifier)
        change = update(_models).where(_same(found.name, found.version)).values(deprecated=True)
        await asyncio.to_thread(self._write, lambda connection: connection.execute(change))
        return replace(found, deprecated=True)

    async def lookup(self, identifier: str) -> ModelConfiguration:
        """The version `name:version`, or of `name` the newest that is not deprecated. Raises: NotFound."""
        name, version = split(identifier)
        query = _select().where(_models.c.name == name).order_by(_models.c.number)
        known = await asyncio.to_thread(self._database.read, lambda connection: _all(connection, query))
        usable = [entry for entry in known if (entry.version == version if version else not entry.deprecated)]
        if not usable:
            versions = ", ".join(entry.version + " (deprecated)" * entry.deprecated for entry in known) or "none"
            raise NotFound(f"no model {identifier!r} is registered", hint=f"Registered versions of {name}: {versions}")
        return usable[-1]

    async def list(self) -> Sequence[ModelConfiguration]:
        """Everything, in the order in which it was added."""
        query = _select().order_by(_models.c.number)
        return await asyncio.to_thread(self._database.read, lambda connection: _all(connection, query))

    async def seed(self, images: Iterable[str]) -> None:
        """Add images as they stand in a models file; what is registered under their names already stays as it is."""
        for image in images:
            name, version = split(image)
            try:
                await self.add(ModelConfiguration(name, version or "latest", image))
            except Conflict:
                log.debug("registry.kept", image=image)

    def _add(self, row: dict[str, Any]) -> ModelConfiguration:
        query = _select().where(_same(row["name"], row["version"]))
        try:
            return self._write(lambda connection: _insert(connection, row))
        except IntegrityError:
            return self._database.read(lambda connection: _read(connection.execute(query).one()))

    def _write(self, action: Callable[[Connection], T]) -> T:
        try:
            with self._database.writers.connect() as connection, self._database.transaction(connection):
                return action(connection)
        except IntegrityError:
            raise
        except database_errors() as error:
            raise self._database.explain(error) from error


def _insert(connection: Connection, row: dict[str, Any]) -> ModelConfiguration:
    connection.execute(insert(_models).values(row))
    return _read(connection.execute(_select().where(_same(row["name"], row["version"]))).one())


def _select() -> Any:
    return select(*(column for column in _models.c if column.name != "number"))


def _same(name: str, version: str) -> Any:
    return (_models.c.name == name) & (_models.c.version == version)


def _all(connection: Connection, query: Any) -> Sequence[ModelConfiguration]:
    return [_read(row) for row in connection.execute(query)]


def _read(row: Row[Any]) -> ModelConfiguration:
    return ModelConfiguration(**{**row._mapping, "parameters": json.loads(row.parameters)})  # noqa: SLF001
