"""The doors of an InfluxDB 1.x, so that models report their results to Podium where there is no InfluxDB.

Answers and errors have InfluxDB's form. The password may come in the query string, as that protocol has it: whoever
logs requests must leave the query out.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import Counter

from podium.errors import DocumentRefused, PodiumError
from podium.stores.influx_query import CreateDatabase, Select, Show, Statement, Table, read
from podium.stores.influx_show import Listing
from podium.stores.line_protocol import Parsed, parse
from podium.stores.series import FieldsConflict
from podium.stores.series_duckdb import DuckDbSeries

log = structlog.get_logger()

MAX_BODY = 25_000_000  # InfluxDB's own limit; for what a compressed body unpacks to as well
MAX_QUERY = 64 * 1024
SMALL = 16 * 1024  # read at once; anything bigger is not worth the event loop's time

POINTS = Counter("podium_series_points", "Points that models reported", ["outcome"])

_HEADERS = {"X-Influxdb-Version": "1.8.10", "X-Influxdb-Build": "Podium"}
_SIGN_IN = "models find user and password in INFLUXDB_USER and INFLUXDB_PASSWORD, others as docs/results.md tells"
# How many microseconds the units of `epoch` last; of nanoseconds it takes a thousand.
_EPOCHS = {"ns": 0, "n": 0, "u": 1, "µ": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


class _Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


def influx_router(store: DuckDbSeries, check: Callable[[str, str], bool]) -> APIRouter:
    """`/ping`, `/write` and `/query`.

    Args:
        store: keeps the points.
        check: tells whether a user and password are good; asked at every request, so it has to be quick.
    """
    router = APIRouter(tags=["InfluxDB 1.x"])

    @router.api_route("/ping", methods=["GET", "HEAD"], status_code=204, summary="Is it there")
    async def ping() -> Response:
        return Response(status_code=204, headers=_HEADERS)

    @router.post("/write", status_code=204, summary="Points in line protocol")
    async def write(request: Request) -> Response:
        try:
            _let_in(request, check)
            database = _needed(request.query_params, "db", "database is required")
            body = await _body(request, MAX_BODY)
            parsed = await _parsed(body, request.query_params.get("precision", ""))
            try:
                await store.write(parsed.points, database=database)
            except FieldsConflict as conflict:
                _count(written=len(parsed.points) - conflict.dropped, refused=parsed.refused + conflict.dropped)
                log.warning("series.points_dropped", dropped=conflict.dropped, why=conflict.problem)
                raise
        except (_Refused, PodiumError) as refusal:
            return _error(refusal)
        _count(written=len(parsed.points), refused=parsed.refused)
        if parsed.refused:
            log.warning(
                "series.points_refused", refused=parsed.refused, written=len(parsed.points), why=parsed.errors[0]
            )
            reason = "\n".join(parsed.errors)
            return _error(_Refused(400, f"partial write: {reason} dropped=0" if parsed.points else reason))
        return Response(status_code=204, headers=_HEADERS)

    @router.api_route("/query", methods=["GET", "POST"], summary="Some InfluxQL")
    async def query(request: Request) -> Response:
        try:
            asked = await _asked(request)
            _let_in(request, check, asked)
            text = _needed(asked, "q", 'missing required parameter "q"')
            epoch = _epoch(asked)
            results = [
                {"statement_id": number, **await _result(store, asked.get("db", ""), statement, epoch)}
                for number, statement in enumerate(read(text, now=time.time()))
            ]
        except (_Refused, PodiumError) as refusal:
            return _error(refusal)
        answer = await asyncio.to_thread(json.dumps, {"results": results}, separators=(",", ":"))
        return Response(answer + "\n", headers=_HEADERS, media_type="application/json")

    return router


def _count(*, written: int, refused: int) -> None:
    POINTS.labels("written").inc(written)
    POINTS.labels("refused").inc(refused)


def _error(refusal: _Refused | PodiumError) -> Response:
    if isinstance(refusal, _Refused):
        status, error = refusal.status, refusal.error
    else:
        status, error = 400 if isinstance(refusal, DocumentRefused) else 503, str(refusal)
    headers = dict(_HEADERS)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="InfluxDB"'
    return Response(json.dumps({"error": error}) + "\n", status, headers, "application/json")


def _needed(given: Mapping[str, str], name: str, error: str) -> str:
    if not given.get(name):
        raise _Refused(400, error)
    return given[name]


def _epoch(asked: Mapping[str, str]) -> str:
    epoch = asked.get("epoch", "")
    if epoch not in {"", *_EPOCHS}:
        raise _Refused(400, f'invalid epoch "{epoch}" (use ns, u, ms, s, m or h)')
    return epoch


def _let_in(request: Request, check: Callable[[str, str], bool], form: Mapping[str, str] | None = None) -> None:
    given = form or request.query_params
    user, password = given.get("u", ""), given.get("p", "")
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _Refused(401, f"unable to parse authentication credentials; {_SIGN_IN}") from None
    if not check(user, password):
        problem = "authorization failed" if user else "unable to parse authentication credentials"
        raise _Refused(401, f"{problem}; {_SIGN_IN}")


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _Refused(413, "Request Entity Too Large")
    if request.headers.get("Content-Encoding", "").lower() == "gzip":
        return await asyncio.to_thread(_unpacked, bytes(body), limit)
    return bytes(body)


def _unpacked(packed: bytes, limit: int) -> bytes:
    """A small body may hold gigabytes of zeros: no more than the limit is ever unpacked."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        body = unpacking.decompress(packed, limit + 1)
    except zlib.error as error:
        raise _Refused(400, f"the body is not gzip: {error}") from None
    if len(body) > limit:
        raise _Refused(413, "Request Entity Too Large")
    if not unpacking.eof:
        raise _Refused(400, "the gzip body is cut short")
    return body


async def _parsed(body: bytes, precision: str) -> Parsed:
    now = time.time()
    if len(body) <= SMALL:
        return parse(body, precision=precision, now=now)
    return await asyncio.to_thread(parse, body, precision=precision, now=now)


async def _asked(request: Request) -> dict[str, str]:
    asked = dict(request.query_params)
    if request.method == "POST":
        body = await _body(request, MAX_QUERY)
        if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            asked |= parse_qsl(body.decode(errors="replace"))
    return asked


async def _result(store: DuckDbSeries, database: str, statement: Statement, epoch: str) -> dict[str, Any]:
    match statement:
        case CreateDatabase(name):
            await store.create_database(name)
            return {}
        case Show("databases"):
            return _listed(await store.show("", statement))
        case Show() | Select() if statement.database:
            database = statement.database
    if not database:
        return {"error": "database name required"}
    if database not in await store.databases():
        return {"error": f"database not found: {database}"}
    if isinstance(statement, Show):
        return _listed(await store.show(database, statement))
    tables = await store.select(database, statement)
    return {"series": await asyncio.to_thread(_shown, tables, epoch)} if tables else {}


def _listed(listings: list[Listing]) -> dict[str, Any]:
    named = ({"name": each.name} if each.name else {} for each in listings)
    series = [
        {**name, "columns": each.columns, "values": each.values} for name, each in zip(named, listings, strict=True)
    ]
    return {"series": series} if series else {}


def _shown(tables: list[Table], epoch: str) -> list[dict[str, Any]]:
    shown = []
    for table in tables:
        series: dict[str, Any] = {"name": table.name}
        if table.tags:
            series["tags"] = table.tags
        series["columns"] = table.columns
        series["values"] = [[_time(at, epoch), *values] for at, *values in table.values]
        if table.partial:
            series["partial"] = True
        shown.append(series)
    return shown


def _time(micros: int, epoch: str) -> int | str:
    if epoch:
        return micros // _EPOCHS[epoch] if _EPOCHS[epoch] else micros * 1000
    whole, rest = divmod(micros, 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
