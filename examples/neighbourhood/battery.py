"""Home batteries that keep the sun's power for the evening: charge from surplus, discharge into the home's own need."""

from __future__ import annotations

from podium.sdk import CalculationService, Context, Input, Output

JOULES_PER_WH = 3600.0

service = CalculationService("battery", "Battery")


@service.calculation(
    inputs=[
        Input("sun", source="pv", output="power", unit="W", connected="beside", default=0.0),
        Input("household", source="household", output="power", unit="W", connected="beside"),
        Input("heat_pump", source="heat_pump", output="power", unit="W", connected="beside", default=0.0),
    ],
    outputs=[Output("power", "W"), Output("state_of_charge")],
)
def dispatch(battery: Context) -> dict[str, float]:
    """Power is positive while it charges. The car is left out: it would empty the battery in one go."""
    capacity = battery.object.number("capacity") / JOULES_PER_WH
    charging, discharging = (battery.object.number(f"{way}Efficiency", 1.0) for way in ("charge", "discharge"))
    stored = battery.state.get("stored_wh", battery.object.number("fillLevel", 0.5) * capacity)
    surplus = battery["sun"].sum() - battery["household"].sum() - battery["heat_pump"].sum()
    hours = battery.time.hours
    if surplus >= 0:
        power = min(surplus, battery.object.number("maxChargeRate"), (capacity - stored) / charging / hours)
        stored += power * charging * hours
    else:
        power = -min(-surplus, battery.object.number("maxDischargeRate"), stored * discharging / hours)
        stored += power / discharging * hours
    battery.state["stored_wh"] = min(max(stored, 0.0), capacity)  # rounding, no more
    return {"power": power, "state_of_charge": battery.state["stored_wh"] / capacity}


if __name__ == "__main__":
    service.run()
