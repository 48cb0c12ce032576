"""What the dialect of analyses is given, by the settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podium.settings import load
from podium.stack import analyses


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PODIUM_", "DIASTEMA_", "MONGO_", "MINIO_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_component_is_told_the_first_host_of_a_replica_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_DIASTEMA_MONGO", "mongodb://u:p@a:1,b:2/?replicaSet=x")
    monkeypatch.setenv("PODIUM_ARTIFACTS", "http://us:s@minio")
    access = analyses._access(load())
    assert (access.mongo_host, access.mongo_port, access.parameters) == ("a", "1", False)
    assert (access.minio_host, access.minio_port, access.minio_user, access.artifacts) == ("minio", "80", "us", None)


def test_without_stores_of_the_platform_it_is_told_where_ours_are() -> None:
    access = analyses._access(load())
    assert (access.mongo_host, access.mongo_port, access.parameters) == ("", "", True)
    assert access.artifacts == (Path.cwd() / ".podium" / "artifacts").as_uri()
