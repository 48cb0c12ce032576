"""Who is let in, and who is not."""

from __future__ import annotations

import base64
import json
import re

import httpx
import jwt
import pytest
from pydantic import SecretStr

from podium.errors import NotAllowed, SettingsError
from podium.server.auth import SESSION_SECONDS, TOKEN_SECONDS, USER, Auth
from tests.server.house import KEY, PASSWORD, House

GUARDED = [
    ("GET", "/api/v1/runs"),
    ("POST", "/api/v1/runs"),
    ("POST", "/api/v1/validate"),
    ("GET", "/api/v1/runs/a"),
    ("POST", "/api/v1/runs/a/cancel"),
    ("GET", "/api/v1/runs/a/events"),
    ("GET", "/api/v1/runs/a/logs"),
    ("GET", "/api/v1/runs/a/results"),
    ("GET", "/api/v1/runs/a/plot.png"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/models"),
    ("POST", "/api/v1/models"),
    ("POST", "/api/v1/models/a/deprecate"),
    ("GET", "/metrics"),
]
NOT_GUARDED = {"/healthz", "/readyz", "/api/v1/callbacks/{token}"}  # of the last, the address itself is the right


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_strangers_are_told_what_is_missing(house: House, method: str, path: str) -> None:
    async with house.stranger() as http:
        answer = await http.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "token" in answer.json()["detail"]


async def test_every_route_that_is_described_is_guarded(house: House) -> None:
    async with house.stranger() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
        for method, path in described:
            answer = await http.request(method, path.replace("{run}", "a").replace("{identifier}", "a"))
            assert (answer.status_code == 401) is (path not in NOT_GUARDED), (method, path)
    assert len(described) > 10


async def test_the_password_buys_a_token_for_half_an_hour(house: House) -> None:
    token = await house.auth.login(USER, PASSWORD)
    claims = jwt.decode(token, KEY, ["HS256"], options={"verify_exp": False, "verify_iat": False})
    assert claims["sub"] == USER
    assert claims["exp"] - house.now == TOKEN_SECONDS == 1800
    async with house.stranger(headers={"Authorization": f"Bearer {token}"}) as http:
        assert (await http.get("/api/v1/runs")).status_code == 200
        house.now += TOKEN_SECONDS
        answer = await http.get("/api/v1/runs")
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


def forged(**changes: object) -> str:
    claims = {"sub": USER, "use": "token", "exp": 2_000_000, "iat": 1, **changes}
    return jwt.encode({key: value for key, value in claims.items() if value is not None}, KEY, "HS256")


def unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": USER, "use": "token", "exp": 2_000_000})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join([*encoded, ""])


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "a.b.c",
        unsigned(),
        jwt.encode({"sub": USER, "use": "token", "exp": 2_000_000}, "x" * 32, "HS256"),
        forged(exp=None),
        forged(sub=None),
        forged(use=None),
        forged(use="session"),
        forged(exp=999_999),
    ],
)
async def test_no_other_token_is_taken(house: House, token: str) -> None:
    async with house.stranger(headers={"Authorization": f"Bearer {token}"}) as http:
        assert (await http.get("/api/v1/runs")).status_code == 401


async def test_what_was_forged_would_do_with_the_right_claims(house: House) -> None:
    async with house.stranger(headers={"Authorization": f"bearer {forged()}"}) as http:
        assert (await http.get("/api/v1/runs")).status_code == 200


async def test_a_printed_address_lets_one_browser_in_once(house: House) -> None:
    word = house.auth.one_time()
    async with house.stranger() as browser, house.stranger() as other:
        answer = await browser.post("/api/v1/session", json={"word": word})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert (await browser.get("/api/v1/runs")).status_code == 200
        assert (await other.post("/api/v1/session", json={"word": word})).status_code == 401
        assert (await other.get("/api/v1/runs")).status_code == 401
        house.now += SESSION_SECONDS
        assert (await browser.get("/api/v1/runs")).status_code == 401


async def test_a_session_is_no_token(house: House) -> None:
    async with house.stranger(headers={"Authorization": f"Bearer {house.auth.session()}"}) as http:
        assert (await http.get("/api/v1/runs")).status_code == 401


async def test_a_browser_may_sign_in_with_the_password_and_out_again(house: House) -> None:
    async with house.stranger() as http:
        wrong = await http.post("/api/v1/session/password", data={"username": USER, "password": "x"})
        assert wrong.status_code == 401
        right = await http.post("/api/v1/session/password", data={"username": USER, "password": PASSWORD})
        assert (right.status_code, right.headers["location"]) == (303, "/")
        assert (await http.get("/api/v1/runs")).status_code == 200
        await http.post("/api/v1/session/end")
        assert (await http.get("/api/v1/runs")).status_code == 401


async def test_the_socket_file_is_enough_and_only_there_the_owner_is_served(
    house: House, http: httpx.AsyncClient
) -> None:
    async with house.owner() as owner:
        assert (await owner.get("/api/v1/runs")).status_code == 200
        page = (await owner.get("/api/v1/owner")).json()["page"]
        assert re.fullmatch(rf"{house.url}/#[\w-]{{32}}", page)
        assert (await owner.post("/api/v1/owner/stop", json={"all": True})).status_code == 202
    assert house.stopped == [True]
    for method, path in (("GET", "/api/v1/owner"), ("POST", "/api/v1/owner/stop")):
        assert (await http.request(method, path, json={})).status_code == 404
    assert house.stopped == [True]


async def test_guessing_is_slow_and_hurts_only_the_guesser(house: House) -> None:
    async with house.stranger() as http:
        form = {"username": USER, "password": "guess"}
        answers = [await http.post("/api/v1/session/password", data=form) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        assert answers[-1].headers["retry-after"] == "60"
        assert (await http.post("/api/v1/session", json={"word": "guess"})).status_code == 429
    assert await house.auth.login(USER, PASSWORD)  # another caller


async def test_a_stored_hash_of_the_password_does_as_well() -> None:
    from pwdlib import PasswordHash

    auth = Auth(SecretStr(PasswordHash.recommended().hash(PASSWORD)), SecretStr(KEY))
    assert await auth.login(USER, PASSWORD)
    for user, password in ((USER, "wrong"), ("Somebody", PASSWORD), ("", ""), ("ü", "ß")):
        with pytest.raises(NotAllowed):
            await auth.login(user, password)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="32 bytes"):
        Auth(SecretStr(PASSWORD), SecretStr("short"))
