"""The transformer of the street: what goes through it, and how near it is to its limit."""

from __future__ import annotations

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService("transformer", "Transformer")


@service.calculation(
    inputs=[
        Input("cables", source="cable", output="power", unit="W"),
        Input("losses", source="cable", output="loss", unit="W"),
    ],
    outputs=[Output("power", "W"), Output("loading", "%"), Output("cable_losses", "W")],
)
def load(transformer: Context) -> dict[str, float]:
    """Negative power flows back into the grid, and loads the transformer as well."""
    power = transformer["cables"].sum()
    loading = 100 * abs(power) / transformer.object.number("capacity")
    return {"power": power, "loading": loading, "cable_losses": transformer["losses"].sum()}


if __name__ == "__main__":
    service.run()
