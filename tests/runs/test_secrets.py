"""Secrets are kept in files of their own, put in place when they are used, and masked where they would be shown."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog

from podium.errors import DocumentRefused, NotFound
from podium.runs.secrets import Secrets, redact_urls


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path / "secrets")


def test_a_secret_is_read_back_by_another_process(secrets: Secrets, tmp_path: Path) -> None:
    secrets.put("mqtt.password", "päss word\n")
    secrets.put("mqtt.password", "another\n")
    assert Secrets(tmp_path / "secrets").get("mqtt.password") == "another\n"
    with pytest.raises(NotFound, match="'unknown'"):
        secrets.get("unknown")


def test_only_the_owner_can_read(secrets: Secrets, tmp_path: Path) -> None:
    secrets.put("a", "value")
    secrets.generate("b")
    directory = tmp_path / "secrets"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == {"a": 0o600, "b": 0o600}


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "../a", "a\0", "~a", "a" * 101])
def test_a_name_cannot_lead_out_of_the_directory(secrets: Secrets, name: str) -> None:
    for attempt in (lambda: secrets.put(name, "x"), lambda: secrets.get(name), lambda: secrets.generate(name)):
        with pytest.raises(DocumentRefused, match="name of a secret"):
            attempt()


def test_a_generated_secret_is_made_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: Secrets(tmp_path).generate("token"), range(8)))
    assert made == {Secrets(tmp_path).get("token")}
    assert len(made.pop()) >= 32


def test_references_are_replaced_in_a_copy(secrets: Secrets) -> None:
    secrets.put("p", "value")
    document: Any = {"user": "u", "password": {"$secret": "p"}, "list": [1, {"$secret": "p"}, [None, {"a": True}]]}
    assert secrets.resolve(document) == {"user": "u", "password": "value", "list": [1, "value", [None, {"a": True}]]}
    assert document["password"] == {"$secret": "p"}


@pytest.mark.parametrize("wrong", [{"$secret": "p", "more": 1}, {"$secret": 5}, {"$secret": "../p"}])
def test_a_wrong_reference_is_refused(secrets: Secrets, wrong: Any) -> None:
    secrets.put("p", "value")
    with pytest.raises(DocumentRefused):
        secrets.resolve([wrong])


def test_known_values_are_masked(secrets: Secrets, tmp_path: Path) -> None:
    secrets.put("a", "s3cr/t")
    secrets.put("longer", "s3cr/t-and-more")
    secrets.put("short", "abc")
    text = "s3cr/t-and-more, s3cr/t and s3cr%2Ft, abc"
    assert secrets.redact(text) == "***, *** and ***, abc"
    assert Secrets(tmp_path / "secrets").redact(text) == "***, *** and ***, abc"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtt://user:pa:ss@host:1883/x", "mqtt://user:***@host:1883/x"),
        ("to postgresql+psycopg://u:p@[::1]/d failed", "to postgresql+psycopg://u:***@[::1]/d failed"),
        ("http://:p@h and nats://u:p@h", "http://:***@h and nats://u:***@h"),
        ("http://h/write?u=me&password=p&db=d", "http://h/write?u=me&password=***&db=d"),
        ("http://host:8086/a@b", "http://host:8086/a@b"),
        ("http://user@host", "http://user@host"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert redact_urls(url) == shown


def test_no_log_line_shows_a_secret(secrets: Secrets) -> None:
    secrets.put("p", "s3cr3t")
    shown = io.StringIO()
    log = structlog.wrap_logger(
        structlog.PrintLogger(shown),
        processors=[structlog.processors.format_exc_info, secrets.processor, structlog.processors.KeyValueRenderer()],
    )
    log.info(
        "link.up",
        url="mqtt://u:p4ss@h",
        nested={"list": ["s3cr3t", 1]},
        error=ValueError("s3cr3t"),
        path=Path("s3cr3t"),
    )
    try:
        int("s3cr3t")
    except ValueError:
        log.exception("s3cr3t")
    assert shown.getvalue().count("***") == 7
    assert "s3cr3t" not in shown.getvalue()
    assert "p4ss" not in shown.getvalue()
