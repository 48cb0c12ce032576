"""Documents in a MongoDB, where the field's front ends and analytics jobs read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from pymongo import AsyncMongoClient
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from podium.errors import DocumentRefused, Unavailable
from podium.runs.events import Json
from podium.stores.documents import Document, Key

AWAY_SECONDS = 20.0  # that it may be away before a call fails
ANSWER_SECONDS = 30.0


class MongoDocuments:
    """A `Documents` in a MongoDB.

    Args:
        url: `mongodb://…`, with user and password if it wants any.
        shown: the same without the password.
    """

    def __init__(self, url: str, shown: str) -> None:
        self._shown = shown
        with self._told():
            self._client: AsyncMongoClient[Document] = AsyncMongoClient(
                url,
                serverSelectionTimeoutMS=AWAY_SECONDS * 1000,
                connectTimeoutMS=AWAY_SECONDS * 1000,
                socketTimeoutMS=ANSWER_SECONDS * 1000,
                appname="podium",
            )

    async def close(self) -> None:
        await self._client.close()

    async def put(self, database: str, collection: str, key: Key, document: Mapping[str, Any]) -> None:
        with self._told():
            await self._client[database][collection].replace_one(key, dict(document), upsert=True)

    async def change(self, database: str, collection: str, key: Key, values: Mapping[str, Json]) -> None:
        with self._told():
            await self._client[database][collection].update_one(key, {"$set": dict(values)}, upsert=True)

    async def find(self, database: str, collection: str, key: Key | None = None, *, limit: int = 0) -> list[Document]:
        with self._told():
            cursor = self._client[database][collection].find(dict(key or {}), {"_id": False}, limit=limit)
            return await cursor.to_list()

    async def remove(self, database: str, collection: str, key: Key) -> None:
        with self._told():
            await self._client[database][collection].delete_many(key)

    async def keep_only(self, database: str, collection: str, having: str, keys: Sequence[Key]) -> None:
        with self._told():
            others: dict[str, Any] = {having: {"$exists": True}}
            if keys:
                others["$nor"] = [dict(key) for key in keys]
            await self._client[database][collection].delete_many(others)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors in the user's terms."""
        try:
            yield
        except (BSONError, OverflowError) as error:
            raise DocumentRefused(f"MongoDB cannot hold this ({error})") from None
        except OperationFailure as error:
            if isinstance(error, DuplicateKeyError) or error.code in _UNWANTED:
                raise DocumentRefused(f"MongoDB does not accept this ({error.details or error})") from None
            raise Unavailable(f"MongoDB refuses: {error}", where=self._shown) from None
        except PyMongoError as error:
            hint = "Is it running, and is `diastema_mongo` its address?"
            raise Unavailable(
                f"MongoDB does not answer ({type(error).__name__})", where=self._shown, hint=hint
            ) from None


_UNWANTED = frozenset({2, 9, 14, 73})  # bad value, cannot parse, wrong type, invalid name
