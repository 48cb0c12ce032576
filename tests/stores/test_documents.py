"""What holds for documents wherever they are kept."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podium.errors import DocumentRefused, Unavailable
from podium.stores.documents import Documents
from podium.stores.documents_mongo import MongoDocuments
from podium.stores.documents_sql import SqlDocuments
from tests.parts import mongo
from tests.parts.postgres import PostgreSQL


@pytest.fixture(params=["sqlite", "postgresql", "mongo"])
async def documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Documents]:
    if request.param == "sqlite":
        opened: Documents = SqlDocuments(f"sqlite:///{tmp_path / 'journal.db'}")
    elif request.param == "postgresql":
        postgres: PostgreSQL = request.getfixturevalue("postgres")
        opened = SqlDocuments(postgres.create())
    else:
        server: mongo.Mongo = request.getfixturevalue("mongo")
        opened = MongoDocuments(server.url, server.url)
    yield opened
    await opened.close()


@pytest.fixture
def db() -> str:
    return f"db{uuid.uuid4().hex[:8]}"


async def test_what_is_put_twice_is_there_once(documents: Documents, db: str) -> None:
    for word in ("first", "second"):
        await documents.put(db, "jobs", {"job.step": 3}, {"job": {"step": 3}, "word": word})
    await documents.put(db, "jobs", {"job.step": 4}, {"job": {"step": 4}, "word": "other"})
    assert await documents.find(db, "jobs", {"job.step": 3}) == [{"job": {"step": 3}, "word": "second"}]
    assert [one["word"] for one in await documents.find(db, "jobs")] == ["second", "other"]
    assert len(await documents.find(db, "jobs", limit=1)) == 1


async def test_what_others_put_at_once_is_there_once(documents: Documents, db: str) -> None:
    await asyncio.gather(*(documents.put(db, "jobs", {"step": n % 3}, {"step": n % 3, "n": n}) for n in range(12)))
    assert sorted(one["step"] for one in await documents.find(db, "jobs")) == [0, 1, 2]


async def test_a_change_makes_what_is_missing_and_leaves_the_rest(documents: Documents, db: str) -> None:
    key = {"analysisid": "a1"}
    await documents.change(db, "pipelines", key, {"status": "completed", "performance.speed": 7})
    await documents.change(db, "pipelines", key, {"performance.memory": None, "shown.plots": ["a", "b"]})
    assert await documents.find(db, "pipelines") == [
        {
            "analysisid": "a1",
            "status": "completed",
            "performance": {"speed": 7, "memory": None},
            "shown": {"plots": ["a", "b"]},
        }
    ]


async def test_what_is_not_to_be_kept_goes_and_what_is_of_others_stays(documents: Documents, db: str) -> None:
    for step in (1, 2, 3):
        await documents.put(db, "jobs", {"job.step": step}, {"job": {"step": step}})
    await documents.put(db, "jobs", {"kind": "strange"}, {"kind": "strange"})
    await documents.keep_only(db, "jobs", "job", [{"job.step": 1}, {"job.step": 9}])
    assert await documents.find(db, "jobs") == [{"job": {"step": 1}}, {"kind": "strange"}]
    await documents.keep_only(db, "jobs", "job", [])
    await documents.remove(db, "jobs", {"kind": "strange"})
    assert await documents.find(db, "jobs") == []


async def test_databases_and_collections_do_not_mix(documents: Documents, db: str) -> None:
    await documents.put(db, "one", {"n": 1}, {"n": 1})
    assert await documents.find(db, "two") == []
    assert await documents.find(f"{db}x", "one") == []


async def test_large_numbers_of_javascript_are_kept(documents: Documents, db: str) -> None:
    await documents.put(db, "jobs", {"id": 163459965531652}, {"id": 163459965531652})
    assert await documents.find(db, "jobs") == [{"id": 163459965531652}]


async def test_what_mongodb_cannot_hold_is_refused(mongo: mongo.Mongo, db: str) -> None:
    documents = MongoDocuments(mongo.url, mongo.url)
    with pytest.raises(DocumentRefused, match="cannot hold"):
        await documents.put(db, "jobs", {"n": 1}, {"n": 2**64})
    await documents.close()


async def test_a_mongodb_that_is_away_is_unavailable_and_its_password_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("podium.stores.documents_mongo.AWAY_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = "127.0.0.1:{1}".format(*silent.getsockname())
        documents = MongoDocuments(f"mongodb://us:hunter2@{place}", f"mongodb://{place}")
        with pytest.raises(Unavailable, match="does not answer") as refused:
            await documents.find("db", "jobs")
        await documents.close()
    assert "hunter2" not in str(refused.value)


async def test_they_are_found_by_whatever_is_in_them(documents: Documents, db: str) -> None:
    rows = [{"id": 'A%_/\\"é', "n": 1}, {"id": 'a%_/\\"É', "n": 2}, {"id": "axb", "n": 3, "deep": {"id": 'A%_/\\"é'}}]
    for row in rows:
        await documents.put(db, "rows", {"n": row["n"]}, row)  # type: ignore[dict-item]
    assert await documents.find(db, "rows", {"id": rows[0]["id"]}) == rows[:1]  # type: ignore[dict-item]
    assert await documents.find(db, "rows", {"deep.id": rows[0]["id"]}) == rows[2:]  # type: ignore[dict-item]
    assert await documents.find(db, "rows", {"id": "axb", "n": 3}) == rows[2:]
    assert await documents.find(db, "rows", {"id": "axb", "n": 1}) == []
    assert await documents.find(db, "rows", {"n": 2}) == rows[1:2]
    assert await documents.find(db, "rows", {"n": 4}) == []
    assert await documents.find(db, "rows", limit=2) == rows[:2]
