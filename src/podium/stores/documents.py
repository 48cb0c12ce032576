"""JSON documents in named collections, where the field looks for them: in a MongoDB, or in our own database.

What is written is always found again by its key, and so replaced and never doubled: a job that is done twice leaves one
document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from podium.runs.events import Json

Document = dict[str, Any]
Key = Mapping[str, str | int | float | bool | None]
"""What tells a document from the others of its collection: values by path, such as `{"job-json.step": 3}`."""


class Documents(Protocol):
    """A store of documents, opened when it is first used. All methods raise Unavailable when it cannot be reached."""

    async def put(self, database: str, collection: str, key: Key, document: Mapping[str, Any]) -> None:
        """Keep `document` in place of the one that `key` tells."""
        ...

    async def change(self, database: str, collection: str, key: Key, values: Mapping[str, Json]) -> None:
        """Set values by path in the document that `key` tells, which is made if it is missing."""
        ...

    async def find(self, database: str, collection: str, key: Key | None = None, *, limit: int = 0) -> list[Document]:
        """The documents that `key` tells, in the order in which they came; 0: all of them."""
        ...

    async def remove(self, database: str, collection: str, key: Key) -> None: ...

    async def keep_only(self, database: str, collection: str, having: str, keys: Sequence[Key]) -> None:
        """Remove the documents that have something at the path `having` and that none of `keys` tells."""
        ...

    async def close(self) -> None: ...
