"""Reads the part of InfluxQL that clients of results use: CREATE DATABASE, what there is to SHOW, plain SELECT.

Everything else is refused with a word about what there is.
"""

# ruff: noqa: S608 - what looks like SQL here is a sentence for people
from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, NoReturn, TypeAlias

from podium.errors import DocumentRefused

Function = Literal["mean", "min", "max", "sum", "count", "first", "last"]
Shown = Literal["databases", "retention policies", "measurements", "tag keys", "field keys", "tag values"]
SHOWN: tuple[Shown, ...] = ("databases", "retention policies", "measurements", "tag keys", "field keys", "tag values")
Operator = Literal["=", "!=", "<", "<=", ">", ">="]
_OPERATORS: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
_UPPER = ("=", "<", "<=")
FUNCTIONS: tuple[Function, ...] = ("mean", "min", "max", "sum", "count", "first", "last")
SUPPORTED = (
    "Supported are: CREATE DATABASE name; SHOW DATABASES; SHOW RETENTION POLICIES; SHOW MEASUREMENTS; "
    "SHOW TAG KEYS|FIELD KEYS [FROM measurement]; SHOW TAG VALUES [FROM measurement] WITH KEY = tag; "
    "each with [ON database] and [LIMIT n]; SELECT *|field, ...|function(field), ... FROM measurement "
    "[WHERE tag = 'value' AND time >= '2023-01-25T00:00:00Z' ...] [GROUP BY tag, ...|*|time(1h) [fill(none|null)]] "
    f"[ORDER BY time DESC] [LIMIT n], with the functions {', '.join(FUNCTIONS)}"
)
POLICY = "autogen"  # there is one, which keeps all
_UNITS = {"ns": 1e-9, "u": 1e-6, "µ": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LARGEST = 2**63 - 1  # nanoseconds, and any other whole number

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
    """`measurement` empty: of all of them. `key` is the tag whose values are asked for."""

    what: Shown
    database: str = ""
    measurement: str = ""
    key: str = ""
    limit: int | None = None


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
    """
    Args:
        database: empty where the query names none.
        every: grouped by so many seconds; there is an upper bound of `time` then.
        empty: times without points have a row too.
        time: what the column of times is called.
    """

    columns: tuple[Column, ...]
    measurement: str
    conditions: tuple[Condition, ...] = ()
    tags: tuple[str, ...] = ()
    all_tags: bool = False
    every: float | None = None
    empty: bool = True
    descending: bool = False
    limit: int | None = None
    database: str = ""
    time: str = "time"


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
            return self._show()
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

    def _show(self) -> Show:
        what = next((what for what in SHOWN if self._take_all(what.split())), None)
        if what is None:
            self._fail(" or ".join(what.upper() for what in SHOWN))
        database = self._name() if what != "databases" and self.take("on") else ""
        measurement = ""
        if what.startswith(("tag", "field")) and self.take("from"):
            named, measurement = self._source()
            database = named or database
        key = ""
        if what == "tag values":
            for word in ("with", "key", "="):
                self.need(word)
            key = self._name()
        return Show(what, database, measurement, key, self._limit())

    def _take_all(self, words: list[str]) -> bool:
        ahead = [(token["word"] or "").lower() for token in islice(self._tokens, len(words))]
        return ahead == words and all(self.take(word) for word in words)

    def _source(self) -> tuple[str, str]:
        """Database, which may be empty, and measurement."""
        names = [self._name()]
        while len(names) < 3 and self.take("."):  # "database"."policy"."measurement"
            names.append("" if self._tokens and self._tokens[0]["sign"] == "." else self._name())
        database, policy, measurement = ["", "", *names][-3:]
        if policy not in ("", POLICY):
            raise DocumentRefused(f"retention policy not found: {policy}", hint=SUPPORTED)
        return database, measurement

    def _limit(self) -> int | None:
        """None: all. Nobody asks for nothing, so that 0 is no limit, as InfluxDB has it."""
        if not self.take("limit"):
            return None
        limit = self._number()
        if limit < 0:
            raise DocumentRefused(f"error parsing query: found {limit}, expected integer", hint=SUPPORTED)
        return limit or None

    def _select(self) -> Select:
        asked = [self._column()]
        while self.take(","):
            asked.append(self._column())
        columns = [column for column in asked if column.name != "time" or column.function]
        time = next((column.label for column in reversed(asked) if column not in columns and column.label), "time")
        if not columns:
            raise DocumentRefused("at least 1 non-time field must be queried", hint=SUPPORTED)
        self.need("from")
        database, measurement = self._source()
        conditions = self._conditions() if self.take("where") else []
        tags, every = self._grouping() if self.take("group") else ([], None)
        empty = self._fill() if every is not None and self.take("fill") else True
        descending = False
        if self.take("order"):
            self.need("by")
            self.need("time")
            descending = self.take("desc")
            if not descending:
                self.take("asc")
        limit = self._limit()
        functions = {column.function is not None for column in columns}
        if len(functions) > 1:
            raise DocumentRefused("error parsing query: mixing aggregate and non-aggregate queries is not supported")
        if every is not None and every <= 0:
            every = None  # as InfluxDB has it
        if every is not None and functions == {False}:
            raise DocumentRefused("error parsing query: GROUP BY requires at least one aggregate function")
        if every is not None and not any(each.name == "time" and each.operator in _UPPER for each in conditions):
            conditions.append(Condition("time", "<=", self._now))
        return Select(
            tuple(columns), measurement, tuple(conditions), tuple(tag for tag in tags if tag != "*"), "*" in tags,
            every, empty, descending, limit, database, time,
        )  # fmt: skip

    def _grouping(self) -> tuple[list[str], float | None]:
        self.need("by")
        tags: list[str] = []
        every: float | None = None
        while True:
            name = "*" if self.take("*") else self._name()
            if name != "time":
                tags.append(name)
            elif not self.take("("):
                raise DocumentRefused("time() is a function and expects at least one argument", hint=SUPPORTED)
            elif every is not None:
                raise DocumentRefused("multiple time dimensions not allowed", hint=SUPPORTED)
            else:
                every = self._duration()
                self.need(")")
            if not self.take(","):
                return tags, every

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

    def _fill(self) -> bool:
        """Whether there are rows without points."""
        self.need("(")
        none = self.take("none")
        if not (none or self.take("null")):
            self._fail("NONE, NULL")
        self.need(")")
        return not none

    def _conditions(self) -> list[Condition]:
        """Joined by AND alone, so that parentheses change nothing."""
        conditions: list[Condition] = []
        opened = 0
        while not conditions or self.take("and"):
            while self.take("("):
                opened += 1
            conditions.append(self._condition())
            while opened and self.take(")"):
                opened -= 1
        if opened:
            self._fail(")")
        return conditions

    def _condition(self) -> Condition:
        name = self._name()
        self._kind()
        operator = self._operator()
        if name == "time":
            if operator == "!=":
                raise DocumentRefused("invalid time comparison operator: !=", hint=SUPPORTED)
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
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            if abs(seconds) * 1e9 > _LARGEST:
                which = "overflows" if seconds > 0 else "underflows"
                raise DocumentRefused(f"time {text} {which} time literal", hint=SUPPORTED)
            return seconds
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
        return _fitting(self._tokens.popleft()["number"])

    def _duration(self) -> float:
        if not self._tokens or self._tokens[0]["duration"] is None:
            self._fail("a duration such as 1h")
        token = self._tokens.popleft()
        seconds = _fitting(token["duration"]) * _UNITS[token["unit"]]
        if abs(seconds) * 1e9 > _LARGEST:
            raise DocumentRefused(f"error parsing query: overflowed duration {token[0].strip()}", hint=SUPPORTED)
        return seconds


def _fitting(digits: str) -> int:
    number = int(digits) if len(digits) <= len(str(-_LARGEST)) else _LARGEST + 1
    if abs(number) > _LARGEST:
        raise DocumentRefused("error parsing query: unable to parse integer", hint=SUPPORTED)
    return number


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text, flags=re.DOTALL)
