"""A model of the ring: takes the float of its neighbour in the step before, sends its own."""

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService("ring", "PVInstallation")


@service.calculation(
    inputs=[Input("neighbour", source="ring", output="value", connected="upstream", previous=True)],
    outputs=[Output("value")],
)
def pass_on(context: Context) -> float:
    return context.inputs["neighbour"].only() + 1.0


if __name__ == "__main__":
    service.run()
