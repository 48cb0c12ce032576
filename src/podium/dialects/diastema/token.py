"""The token that documents of the field carry in themselves."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import SecretStr

from podium.dialects.diastema.reading import TOKEN
from podium.errors import NotAllowed

log = structlog.get_logger()


class Token:
    """
    Args:
        key: what it must be; None lets nobody in.
    """

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key.get_secret_value().encode() if key else b""

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises: NotAllowed."""
        if not self._key:
            hint = "Set PODIUM_DIASTEMA_KEY (or DIASTEMA_KEY) where Podium runs"
            raise NotAllowed("nobody is let in, because no key is set", where=TOKEN, hint=hint)
        token = given.get(TOKEN)
        if token is None:
            raise NotAllowed("the token is missing", where=TOKEN)
        if not isinstance(token, str) or not hmac.compare_digest(token.encode(), self._key):
            log.warning("diastema.wrong_token")
            raise NotAllowed("the token is wrong", where=TOKEN)
