"""Files that are made to be handed over: they last as long as the response that they are sent with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Self

from fastapi import Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask


class Handed:
    """A directory that lasts until the response made in it was sent, or could not be made."""

    async def __aenter__(self) -> Self:
        self._directory = tempfile.TemporaryDirectory(prefix="podium-")
        self.directory = Path(self._directory.name)
        self._handed_over = False
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._handed_over:
            self._directory.cleanup()

    def response(self, path: Path, media_type: str, disposition: str) -> Response:
        self._handed_over = True
        return FileResponse(
            path,
            media_type=media_type,
            filename=path.name,
            content_disposition_type=disposition,
            background=BackgroundTask(self._directory.cleanup),
        )
