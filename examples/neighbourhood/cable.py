"""The cable from the transformer to a home, which warms up with the square of the current."""

from __future__ import annotations

from math import sqrt

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService("cable", "ElectricityCable", parameters={"ohm_per_km": 0.32, "volt": 400.0})


@service.calculation(
    inputs=[Input("home", source="connection", output="power", unit="W")],
    outputs=[Output("power", "W"), Output("loss", "W")],
)
def carry(cable: Context) -> dict[str, float]:
    """Three phases, evenly loaded; `power` is what enters at the transformer."""
    current = abs(cable["home"].sum()) / (sqrt(3) * cable.parameters["volt"])
    loss = 3 * current**2 * cable.parameters["ohm_per_km"] * cable.object.number("length") / 1000
    return {"power": cable["home"].sum() + loss, "loss": loss}


if __name__ == "__main__":
    service.run()
