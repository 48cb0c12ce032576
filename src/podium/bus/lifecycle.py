"""What the embedded broker remembers, and what models may do on it.

Both follow from who speaks on which topic (`podium.sdk.topics` spells them): a model answers and sends data; it never
gives orders, and never reads what the broker keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

from podium.errors import SettingsError

MODELS_PUBLISH = ("/lifecycle/model/#", "/data/#", "/log/model/#", "/health/model/#")
MODELS_SUBSCRIBE = ("/lifecycle/+/model/#", "/lifecycle/+/models/#", "/data/#", "/health/mso/model/#")


def remembered(simulators: Sequence[str]) -> tuple[str, ...]:
    """The topics whose last few messages are kept: all that recovery must know, without the large ModelParameters."""
    topics = ["/lifecycle/model/#", "/lifecycle/mso/#"]
    for name in simulators:
        if name in ("model", "mso") or not name or any(mark in name for mark in "/+#"):
            raise SettingsError(
                "this cannot be the name of a simulator", where=repr(name), hint="Use letters, digits and -"
            )
        topics += [
            f"/lifecycle/{name}/mso/#",
            f"/lifecycle/{name}/model/+/+/NewStep",
            f"/lifecycle/{name}/model/+/+/SimulationDone",
            f"/lifecycle/{name}/models/+/NewStep",
        ]
    return tuple(topics)
