"""The service under test: the net power of a connection, from its panels and its own power of the step before."""

from __future__ import annotations

import os
import time

from podium.sdk import CalculationService, Context, Input, Output

service = CalculationService("connection", "EConnection", parameters={"fail_at": 0, "hold": ""})


@service.calculation(
    inputs=[
        Input("panels", source="panels", output="power", unit="W"),
        Input("before", source="connection", output="net", connected="same", previous=True, start=1.0),
    ],
    outputs=[Output("net", "W")],
)
def net(connection: Context) -> float:
    if connection.time.number == connection.parameters["fail_at"]:
        raise ValueError("the meter is broken")
    if connection.parameters["hold"]:  # a heavy calculation: until the file is gone
        while os.path.exists(connection.parameters["hold"]):  # noqa: PTH110
            time.sleep(0.01)
    connection.state["count"] = connection.state.get("count", 0) + 1
    return connection["panels"].sum() * 2 + connection["before"].only() + 1000 * connection.state["count"]


if __name__ == "__main__":
    service.run()
