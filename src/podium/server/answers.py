"""JSON in ASCII: whatever a journal has can be sent so, even half a character, which UTF-8 cannot write."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse


def ascii_json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


class AsciiJson(JSONResponse):
    def render(self, content: Any) -> bytes:
        return ascii_json(content).encode()
