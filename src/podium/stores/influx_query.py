"""Reads the part of InfluxQL that clients of results use: CREATE and SHOW DATABASES, SHOW MEASUREMENTS, plain SELECT.

Everything else is refused with a word about what there is.
"""

# ruff: noqa: S608 - what looks like SQL here is a sentence for people
from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn, TypeAlias

from podium.errors import DocumentRefused

Function = Literal["mean", "min", "max", "sum", "count", "first", "last"]
Operator = Literal["=", "!=", "<", "<=", ">", ">="]
_OPERATORS: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
FUNCTIONS: tuple[Function, ...] = ("mean", "min", "max", "sum", "count", "first", "last")
SUPPORTED = (
    "Supported are: CREATE DATABASE name; SHOW DATABASES; SHOW MEASUREMENTS; SELECT *|field, ...|function(field), ... "
    "FROM measurement [WHERE tag = 'value' AND time >= '2023-01-25T00:00:00Z' ...] [GROUP BY tag, ...|*|time(1h)] "
    f"[ORDER BY time DESC] [LIMIT n], with the functions {', '.join(FUNCTIONS)}"
)
_UNITS = {"ns": 1e-9, "u": 1e-6, "µ": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

_TOKEN = re.compile(
    r"""\s*+(?:
      "(?P<quoted>(?:[^"\\]|\\.)*+)"
    | '(?P<string>(?:[^'\\]|\\.)*+)'
    | (?P<duration>-?[0-9]++)(?P<unit>ns|ms|[uµsmhdw])(?!\w)
    | (?P<number>-?[0-9]++)
    | (?P<word>[^\W\d]\w*+)
    | (?P<sign>::|<=|>=|!=|<>|[=<>(),;.*+-])
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class CreateDatabase:
    name: str


@dataclass(frozen=True, slots=True)
class Show:
    what: Literal["databases", "measurements"]


@dataclass(frozen=True, slots=True)
class Column:
    """A field or a tag, or a function of a field; `*` for all of them."""

    name: str
    function: Function | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a tag, or `time` in Unix seconds, has to be."""

    name: str
    operator: Operator
    value: str | float


@dataclass(frozen=True, slots=True)
class Select:
    columns: tuple[Column, ...]
    measurement: str
    conditions: tuple[Condition, ...] = ()
    tags: tuple[str, ...] = ()
    all_tags: bool = False
    every: float | None = None
    descending: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One series of an answer. The first column is the time in microseconds; `partial` when rows were left out."""

    name: str
    tags: dict[str, str]
    columns: list[str]
    values: list[list[Any]]
    partial: bool = False


Statement: TypeAlias = "CreateDatabase | Show | Select"


def read(text: str, *, now: float) -> list[Statement]:
    """The statements of a query. Raises DocumentRefused naming the place where it stops to be understood."""
    reader = _Reader(text, now)
    statements: list[Statement] = []
    while not reader.ended():
        if not reader.take(";"):
            statements.append(reader.statement())
            if not reader.ended():
                reader.need(";")
    if not statements:
        raise DocumentRefused("missing query", hint=SUPPORTED)
    return statements


class _Reader:
    def __init__(self, text: str, now: float) -> None:
        self._now = now
        self._tokens: deque[re.Match[str]] = deque()
        at, end = 0, len(text.rstrip())
        while at < end:
            token = _TOKEN.match(text, at)
            if token is None:
                raise DocumentRefused(f"error parsing query: cannot read {text[at : at + 20]!r}", hint=SUPPORTED)
            self._tokens.append(token)
            at = token.end()

    def ended(self) -> bool:
        return not self._tokens

    def statement(self) -> Statement:
        if self.take("create"):
            self.need("database")
            return CreateDatabase(self._name())
        if self.take("show"):
            if self.take("databases"):
                return Show("databases")
            self.need("measurements")
            return Show("measurements")
        self.need("select")
        return self._select()

    def take(self, word: str) -> bool:
        if self._tokens and word == (self._tokens[0]["word"] or self._tokens[0]["sign"] or "").lower():
            self._tokens.popleft()
            return True
        return False

    def need(self, word: str) -> None:
        if not self.take(word):
            self._fail(word.upper())

    def _fail(self, expected: str) -> NoReturn:
        found = self._tokens[0][0].strip() if self._tokens else "the end"
        raise DocumentRefused(f"error parsing query: found {found}, expected {expected}", hint=SUPPORTED)

    def _select(self) -> Select:
        columns = [self._column()]
        while self.take(","):
            columns.append(self._column())
        self.need("from")
        measurement = self._name()
        while self.take("."):  # "database"."policy"."measurement": there is one policy, and `db` names the database
            self.take(".")
            measurement = self._name()
        conditions: list[Condition] = []
        if self.take("where"):
            conditions.append(self._condition())
            while self.take("and"):
                conditions.append(self._condition())
        tags: list[str] = []
        every: float | None = None
        if self.take("group"):
            self.need("by")
            while True:
                if self.take("*"):
                    tags.append("*")
                else:
                    name = self._name()
                    if name == "time" and self.take("("):
                        every = self._duration()
                        self.need(")")
                    else:
                        tags.append(name)
                if not self.take(","):
                    break
        descending = False
        if self.take("order"):
            self.need("by")
            self.need("time")
            descending = self.take("desc")
            if not descending:
                self.take("asc")
        limit = int(self._number()) if self.take("limit") else None
        functions = {column.function is not None for column in columns}
        if len(functions) > 1:
            raise DocumentRefused("error parsing query: mixing aggregate and non-aggregate queries is not supported")
        if every is not None and functions == {False}:
            raise DocumentRefused("error parsing query: GROUP BY requires at least one aggregate function")
        return Select(
            tuple(columns), measurement, tuple(conditions), tuple(tag for tag in tags if tag != "*"), "*" in tags,
            every, descending, limit,
        )  # fmt: skip

    def _column(self) -> Column:
        if self.take("*"):
            return Column("*")
        quoted = bool(self._tokens) and self._tokens[0]["quoted"] is not None
        name = self._name()
        function: Function | None = None
        if not quoted and self.take("("):
            function = next((known for known in FUNCTIONS if known == name.lower()), None)
            if function is None:
                raise DocumentRefused(f"error parsing query: undefined function {name}()", hint=SUPPORTED)
            name = "*" if self.take("*") else self._name()
            self.need(")")
        self._kind()
        label = self._name() if self.take("as") else ""
        return Column(name, function, label)

    def _condition(self) -> Condition:
        name = self._name()
        self._kind()
        operator = self._operator()
        if name == "time":
            return Condition(name, operator, self._moment())
        if operator not in ("=", "!="):
            raise DocumentRefused(
                f"error parsing query: a tag is compared with = or !=, not {operator}", hint=SUPPORTED
            )
        return Condition(name, operator, self._string())

    def _operator(self) -> Operator:
        if self.take("<>"):
            return "!="
        for operator in _OPERATORS:
            if self.take(operator):
                return operator
        return self._fail("an operator")

    def _kind(self) -> None:
        if self.take("::") and not (self.take("tag") or self.take("field")):
            self._fail("TAG, FIELD")

    def _moment(self) -> float:
        """A date in quotes, `now() - 1h`, or a number with its unit (nanoseconds without one)."""
        if self._tokens and self._tokens[0]["string"] is not None:
            text = self._string()
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                raise DocumentRefused(f"error parsing query: invalid date {text!r}", hint=SUPPORTED) from None
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if self.take("now"):
            self.need("(")
            self.need(")")
            if self.take("-"):
                return self._now - self._duration()
            return self._now + self._duration() if self.take("+") else self._now
        if self._tokens and self._tokens[0]["number"] is not None:
            return self._number() * 1e-9
        return self._duration()

    def _name(self) -> str:
        token = self._tokens[0] if self._tokens else None
        if token is None or (token["quoted"] is None and token["word"] is None):
            self._fail("a name")
        self._tokens.popleft()
        return _unescaped(token["quoted"]) if token["quoted"] is not None else token["word"]

    def _string(self) -> str:
        if not self._tokens or self._tokens[0]["string"] is None:
            self._fail("a string in single quotes")
        return _unescaped(self._tokens.popleft()["string"])

    def _number(self) -> int:
        if not self._tokens or self._tokens[0]["number"] is None:
            self._fail("a number")
        return int(self._tokens.popleft()["number"])

    def _duration(self) -> float:
        if not self._tokens or self._tokens[0]["duration"] is None:
            self._fail("a duration such as 1h")
        token = self._tokens.popleft()
        return int(token["duration"]) * _UNITS[token["unit"]]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text, flags=re.DOTALL)
