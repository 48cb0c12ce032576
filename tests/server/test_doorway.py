"""What strange pages and strange names may not do, and what goes out with every answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
import structlog

from podium.server.doorway import KnownHosts
from tests.server.house import House, housed


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("127.0.0.1", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("podium.example", 200),
        ("evil.example", 421),
        ("evil.example:{port}", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.168.0.7", 421),
        ("[::1", 200),
        ("", 421),
    ],
)
async def test_only_names_of_this_server_are_answered(
    house: House, http: httpx.AsyncClient, host: str, status: int
) -> None:
    answer = await http.get("/api/v1/runs", headers={"Host": host.format(port=house.port)})
    assert answer.status_code == status
    assert (answer.headers["content-type"] == "application/problem+json") is (status != 200)


def test_on_a_wildcard_any_address_is_a_good_name_and_no_other() -> None:
    known = KnownHosts("0.0.0.0", ["podium.example"])
    assert all(name in known for name in ("192.168.0.7:8001", "[fe80::1]:8001", "podium.example", "localhost"))
    assert not any(name in known for name in ("evil.example", "1.2.3.4.evil.example", ""))


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 200),
        ("https://127.0.0.1:{port}", 200),  # behind a proxy that speaks TLS
        ("http://localhost:{port}", 403),
        ("http://127.0.0.1:3000", 403),
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
async def test_pages_of_another_origin_are_kept_out(
    house: House, http: httpx.AsyncClient, origin: str, status: int
) -> None:
    answer = await http.get("/api/v1/runs", headers={"Origin": origin.format(port=house.port)})
    assert answer.status_code == status


async def test_the_session_of_a_browser_is_no_use_to_another_origin(house: House) -> None:
    async with house.stranger(cookies={house.auth.cookie: house.auth.session()}) as browser:
        allowed = await browser.post("/runs/none/cancel", headers={"Origin": house.url})
        forbidden = await browser.post("/runs/none/cancel", headers={"Origin": "http://evil.example"})
    assert (allowed.status_code, forbidden.status_code) == (404, 403)


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/runs", "/docs", "/static/podium.js", "/nowhere"])
async def test_every_answer_has_the_headers_that_keep_a_page_to_itself(house: House, path: str) -> None:
    async with house.stranger() as http:
        answer = await http.get(path)
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'; script-src 'self'"
    )
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "server" not in answer.headers


async def test_the_access_log_never_shows_a_query(house: House, http: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await http.get("/api/v1/runs", params={"search": "hunter2"})
        await http.get("/query", params={"u": "user", "p": "hunter2", "q": "SELECT"})
        await http.get("/none", params={"token": "hunter2"})
    assert [entry["path"] for entry in logs if entry["event"] == "request"] == ["/api/v1/runs", "/query", "/none"]
    assert "hunter2" not in json.dumps(logs, default=str)


async def test_a_mistake_of_ours_is_told_without_its_inside(house: House, http: httpx.AsyncClient) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    house.journal.runs = broken  # type: ignore[method-assign,assignment]
    with structlog.testing.capture_logs() as logs:
        answer = await http.get("/api/v1/runs")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret detail" not in answer.text
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["request.broken"]


async def test_many_callers_at_once_are_all_answered(tmp_path: Path) -> None:
    async with housed(tmp_path) as house, await house.known() as http:
        answers = await asyncio.gather(*(http.get("/api/v1/runs") for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
