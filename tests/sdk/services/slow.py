"""A service with two calculations, of which one is due every second step only."""

from __future__ import annotations

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService("slow", "Transformer")


@service.calculation(outputs=[Output("price", "EUR/Wh")], period=1800, offset=900)
def tariff(transformer: Context) -> float:
    return float(transformer.time.number)


@service.calculation(
    inputs=[Input("net", source="connection", unit="W", connected="ports")],
    outputs=[Output("load", "W"), Output("peaks", "W", list=True)],
)
def loading(transformer: Context) -> dict[str, float | list[float]]:
    return {"load": transformer["net"].sum(), "peaks": list(transformer["net"].values())}


if __name__ == "__main__":
    service.run()
