"""The journal's tables, the same for SQLite and PostgreSQL, and the version of their shape.

`events` is the truth and `runs` its projection. Documents have a table of their own because a row is rewritten whole
when its run moves on, and a document may have megabytes. What is read back carries a checksum over all its values.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
)

VERSION = 1

metadata = MetaData()


def _number(name: str, **options: Any) -> Column[int]:
    """64 bits in PostgreSQL; in SQLite a plain INTEGER, so that a primary key is the row's own number."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), **options)


def _real(name: str, **options: Any) -> Column[float]:
    return Column(name, Float(53), **options)


meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    _number("value", nullable=False),
)

lease = Table(
    "lease",
    metadata,
    _number("id", primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    _number("epoch", nullable=False),
    _real("expires", nullable=False),
    _real("renewed", nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    _real("submitted", nullable=False),
    Column("lane", Text),
    _real("started"),
    _real("ended"),
    _number("seq", nullable=False),
    Column("error", Text),
    Column("key", Text),
    _number("position", nullable=False),  # of its run.submitted: the order of submission
    _number("checksum", nullable=False),
    UniqueConstraint("kind", "key"),
)
Index("runs_submitted", runs.c.submitted)
# The same words for both databases: for options of an `Index` SQLAlchemy would load both dialects at every start.
_UNFINISHED = "CREATE INDEX runs_unfinished ON runs (position) WHERE ended IS NULL"
event.listen(runs, "after_create", DDL(_UNFINISHED))  # type: ignore[no-untyped-call]

documents = Table(
    "documents",
    metadata,
    Column("run", Text, primary_key=True),
    Column("data", Text, nullable=False),
    _number("checksum", nullable=False),
)

events = Table(
    "events",
    metadata,
    _number("position", primary_key=True, autoincrement=False),
    Column("run", Text, nullable=False),
    _number("seq", nullable=False),
    _real("time", nullable=False),
    Column("type", Text, nullable=False),
    _number("schema", nullable=False),
    Column("data", Text, nullable=False),
    _number("checksum", nullable=False),
    UniqueConstraint("run", "seq"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("run", Text, primary_key=True),
    _number("seq", nullable=False),
    Column("data", Text, nullable=False),
    _number("checksum", nullable=False),
)
