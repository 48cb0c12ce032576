"""Electric cars: home in the evening, full by the morning, considerate when the transformer was loaded just now."""

from __future__ import annotations

from zlib import crc32

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService(
    "charger", "EVChargingStation", parameters={"needed_kwh": 9.0, "limit_percent": 40.0, "utc_offset_hours": 2.0}
)


@service.calculation(
    inputs=[
        Input("loading", source="transformer", unit="%", connected="all", previous=True, default=0.0),
    ],
    outputs=[Output("power", "W")],
)
def charge(car: Context) -> float:
    """The transformer needs the chargers and they need it: `previous` breaks that circle."""
    hour = (car.time.stamp / 3600 + car.parameters["utc_offset_hours"]) % 24
    arrival = 17.0 + 3.0 * crc32(car.object.id.encode()) / 2**32
    if arrival <= hour < arrival + car.time.hours:
        car.state["missing_wh"] = 1000 * car.parameters["needed_kwh"]
    missing: float = car.state.get("missing_wh", 0.0)
    share = 0.5 if car["loading"].sum() > car.parameters["limit_percent"] else 1.0
    power = min(share * car.object.number("power"), missing / car.time.hours)
    car.state["missing_wh"] = missing - power * car.time.hours
    return power


if __name__ == "__main__":
    service.run()
