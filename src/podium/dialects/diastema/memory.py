"""What the front end was told, so that a run that is taken up again tells nothing twice."""

from __future__ import annotations

from podium.stores.documents import Documents

_OURS = "podium"


class Memory:
    """
    Args:
        documents: our own, never the field's.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def said(self, run: str, message: str) -> None:
        """The front end may have heard it."""
        key = {"message": message}
        await self._documents.put(_OURS, _messages(run), key, key)

    async def unsaid(self, run: str, message: str) -> None:
        await self._documents.remove(_OURS, _messages(run), {"message": message})

    async def heard(self, run: str) -> set[str]:
        """The messages that the front end may have heard."""
        return {one["message"] for one in await self._documents.find(_OURS, _messages(run))}

    async def forget(self, run: str) -> None:
        await self._documents.keep_only(_OURS, _messages(run), "message", [])


def _messages(run: str) -> str:
    return f"diastema messages of {run}"
