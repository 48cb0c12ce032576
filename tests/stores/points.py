"""Points as models report them, for the tests of stores."""

from __future__ import annotations

from podium.stores.series import Point, Value

START = 1674604800.0  # 2023-01-25T00:00:00Z


def point(
    step: int = 0,
    fields: dict[str, Value] | None = None,
    *,
    run: str = "demo-1",
    measurement: str = "pvinstallation",
    home: int = 1,
    **tags: str,
) -> Point:
    return Point(
        measurement,
        {"simulation_id": run, "model_id": "pv-1", "esdl_id": f"pv-{home}", "esdl_name": f"PV of home {home}", **tags},
        {"power": float(step)} if fields is None else fields,
        START + 900 * step,
    )
