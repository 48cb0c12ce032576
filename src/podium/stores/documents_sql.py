"""Documents in our own database, for whoever has no MongoDB: one row each, found by the key it was written under."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from podium.runs.database import Database, database_errors
from podium.runs.events import Json
from podium.runs.records import encode
from podium.stores.documents import Document, Key

_MISSING = object()
_metadata = MetaData()
_rows = Table(
    "field_documents",
    _metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("database", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("data", Text, nullable=False),
    UniqueConstraint("database", "collection", "key"),
    Index("field_documents_in_order", "database", "collection", "number"),
)


class SqlDocuments:
    """A `Documents` in the database of the journal.

    Args:
        url: as the journal's.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._prepared = False
        self._writing = asyncio.Lock()  # so that no two of us find nothing and both put

    async def close(self) -> None:
        await asyncio.to_thread(self._database.dispose)

    async def put(self, database: str, collection: str, key: Key, document: Mapping[str, Any]) -> None:
        data = dict(document)
        await self._change(database, collection, key, lambda _: data)

    async def change(self, database: str, collection: str, key: Key, values: Mapping[str, Json]) -> None:
        def changed(document: Document) -> Document:
            for path, value in {**key, **values}.items():
                _set(document, path, value)
            return document

        await self._change(database, collection, key, changed)

    async def find(self, database: str, collection: str, key: Key | None = None, *, limit: int = 0) -> list[Document]:
        await self._prepare()
        return await asyncio.to_thread(
            self._database.read, lambda at: _found(at, database, collection, key or {}, limit or None)
        )

    async def remove(self, database: str, collection: str, key: Key) -> None:
        await self._write(lambda at: at.execute(delete(_rows).where(_told(database, collection, key))))

    async def keep_only(self, database: str, collection: str, having: str, keys: Sequence[Key]) -> None:
        kept: dict[tuple[str, ...], set[tuple[object, ...]]] = {}
        for key in keys:
            kept.setdefault(tuple(key), set()).add(tuple(map(_comparable, key.values())))

        def is_kept(document: Document) -> bool:
            return any(tuple(_comparable(_get(document, path)) for path in paths) in kept[paths] for paths in kept)

        def write(at: Connection) -> None:
            gone = [
                {"gone": number}
                for number, document in _all(at, _of(database, collection))
                if _get(document, having) is not _MISSING and not is_kept(document)
            ]
            if gone:
                at.execute(delete(_rows).where(_rows.c.number == bindparam("gone")), gone)

        await self._write(write)

    async def _change(self, database: str, collection: str, key: Key, made: Callable[[Document], Document]) -> None:
        told = _told(database, collection, key)

        def write(at: Connection) -> None:
            rows = _all(at, told)
            data = encode(made(rows[0][1] if rows else {}), collection)
            if rows:
                at.execute(update(_rows).where(told).values(data=data))
            else:
                row = {"database": database, "collection": collection, "key": _text(key), "data": data}
                at.execute(insert(_rows).values(row))

        await self._write(write)

    async def _write(self, action: Callable[[Connection], object]) -> None:
        await self._prepare()
        async with self._writing:
            await asyncio.to_thread(self._written, action)

    async def _prepare(self) -> None:
        async with self._writing:
            if not self._prepared:
                await asyncio.to_thread(self._database.prepare, _metadata.create_all)
                self._prepared = True

    def _written(self, action: Callable[[Connection], object]) -> None:
        try:
            # On disk with the journal, which is the same file and is synced when a run ends.
            with (
                self._database.writers.connect() as connection,
                self._database.transaction(connection, durable=False),
            ):
                action(connection)
        except database_errors() as error:
            raise self._database.explain(error) from error


def _of(database: str, collection: str) -> ColumnElement[bool]:
    return (_rows.c.database == database) & (_rows.c.collection == collection)


def _told(database: str, collection: str, key: Key) -> ColumnElement[bool]:
    return _of(database, collection) & (_rows.c.key == _text(key))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _all(at: Connection, which: ColumnElement[bool]) -> list[tuple[int, Document]]:
    query = select(_rows.c.number, _rows.c.data).where(which).order_by(_rows.c.number)
    return [(number, json.loads(data)) for number, data in at.execute(query)]


def _found(at: Connection, database: str, collection: str, key: Key, limit: int | None) -> list[Document]:
    """What was written under the very key is at hand; for anything else all documents are gone through."""
    if key:
        told = [document for _, document in _all(at, _told(database, collection, key)) if _has(document, key)]
        if told:
            return told
    query = select(_rows.c.data).where(_of(database, collection)).order_by(_rows.c.number)
    for value in key.values():
        if isinstance(value, str):  # the database looks at the text faster than we at what it means
            query = query.where(_rows.c.data.contains(encode(value, collection), autoescape=True))
    documents = (json.loads(data) for (data,) in at.execute(query if key else query.limit(limit)))
    return list(islice((document for document in documents if _has(document, key)), limit))


def _has(document: Document, key: Key) -> bool:
    return all(_get(document, path) == value for path, value in key.items())


def _comparable(value: Any) -> object:
    """Two values are equal when these are; may be put into a set."""
    return _text(value) if isinstance(value, dict | list) else value


def _get(document: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return _MISSING
        document = document[name]
    return document


def _set(document: Document, path: str, value: Json) -> None:
    *outer, last = path.split(".")
    for name in outer:
        inner = document.get(name)
        if not isinstance(inner, dict):
            inner = document[name] = {}
        document = inner
    document[last] = value
