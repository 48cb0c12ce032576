"""Heat pumps: hot water twice a day, heating when it is cold, at the efficiency that the air outside allows.

The coefficient of performance is a fixed share of Carnot's, which fits air-water heat pumps well (Staffell et al., "A
review of domestic heat pumps", 2012).
"""

from __future__ import annotations

from math import cos, pi

from podium.sdk import CalculationService, Context, Output

service = CalculationService(
    "heat_pump",
    "HeatPump",
    parameters={"mean_celsius": 17.0, "swing_celsius": 6.0, "carnot_share": 0.45, "utc_offset_hours": 2.0},
)


@service.calculation(period=3600, outputs=[Output("power", "W"), Output("cop"), Output("outdoor_celsius", "degC")])
def run(pump: Context) -> dict[str, float]:
    """Once an hour; others see its last value in between."""
    hour = (pump.time.stamp / 3600 + pump.parameters["utc_offset_hours"]) % 24
    outdoor = pump.parameters["mean_celsius"] - pump.parameters["swing_celsius"] * cos(2 * pi * (hour - 4) / 24)
    tapping = 2500.0 if int(hour) in (6, 7, 20) else 0.0
    heating = 180.0 * max(0.0, 15.0 - outdoor)
    flow_celsius = 55.0 if tapping else 35.0
    carnot = (flow_celsius + 273.15) / (flow_celsius - outdoor)
    cop = min(pump.parameters["carnot_share"] * carnot, 6.0)
    heat = min(tapping + heating, pump.object.number("power"))
    return {"power": heat / cop, "cop": cop, "outdoor_celsius": outdoor}


if __name__ == "__main__":
    service.run()
