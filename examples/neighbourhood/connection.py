"""The meter of a home: all that stands behind it, added up. Positive is power drawn from the street."""

from __future__ import annotations

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService("connection", "EConnection")


@service.calculation(
    inputs=[
        Input("household", source="household", output="power", unit="W"),
        Input("sun", source="pv", output="power", unit="W", default=0.0),
        Input("heat_pump", source="heat_pump", output="power", unit="W", default=0.0),
        Input("charger", source="charger", output="power", unit="W", default=0.0),
        Input("battery", source="battery", output="power", unit="W", default=0.0),
    ],
    outputs=[Output("power", "W")],
)
def net(meter: Context) -> float:
    drawn = sum(meter[name].sum() for name in ("household", "heat_pump", "charger", "battery"))
    return drawn - meter["sun"].sum()


if __name__ == "__main__":
    service.run()
