"""A model of the ring: takes the float of its neighbours in the step before, sends its own."""

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService("ring", "PVInstallation")


@service.calculation(
    inputs=[Input("neighbours", source="ring", output="value", connected="ports", previous=True)],
    outputs=[Output("value")],
)
def pass_on(context: Context) -> float:
    return context.inputs["neighbours"].sum() / 2 + 1.0


if __name__ == "__main__":
    service.run()
