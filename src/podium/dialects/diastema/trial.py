"""Trying whether a dataset could be fetched: asked and answered at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podium.dialects.diastema.ingesting import SERVICE
from podium.dialects.diastema.places import Places
from podium.errors import Unavailable
from podium.jobs.client import Answer, Client, ServiceFailed

TRIAL_SECONDS = 120.0


class Trial:
    def __init__(self, client: Client, places: Places) -> None:
        self._client = client
        self._places = places

    async def of(self, source: Mapping[str, Any]) -> Answer:
        """What the ingestion service says of it, good or not. Raises: Unavailable, when it says nothing."""
        url = f"{await self._places.url('services')}/{SERVICE}/test"
        try:
            return await self._client.ask("POST", url, body=dict(source), within=TRIAL_SECONDS, whatever=True)
        except ServiceFailed as error:
            raise Unavailable(error.reason) from None
