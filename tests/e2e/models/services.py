"""Services of version 2, written with the SDK; the first argument says which one this process is.

panels, meter   a meter adds up what its panels make, and remembers: a step too many or too few changes its results
slow            calculates every twelve hours what the panels make
hen, egg        wait for each other within a step
"""

from __future__ import annotations

import sys

from points import gate, trace

from podium.sdk import CalculationService, Context, Input, Output

panels = CalculationService("panels", "PVInstallation", parameters={"no_number_at": 0})
meter = CalculationService("meter", "EnergySystem")
slow = CalculationService("slow", "EnergySystem")
hen = CalculationService("hen", "EnergySystem")
egg = CalculationService("egg", "PVInstallation")


def begun(thing: Context) -> None:
    trace(thing.time.number, thing.time.stamp)
    gate(f"step:{thing.time.number}")


@panels.calculation(outputs=[Output("power", "W")])
def generate(pv: Context) -> float:
    begun(pv)
    if pv.time.number == pv.parameters["no_number_at"]:
        return float("nan")
    pv.state["power"] = (pv.state.get("power", 1) * 75 + pv.time.number) % 65537
    return pv.state["power"]


@meter.calculation(
    inputs=[
        Input("power", source="panels", unit="W", connected="inside"),
        Input("before", source="meter", output="reading", connected="same", previous=True),
    ],
    outputs=[Output("reading", "Wh")],
)
def read(system: Context) -> float:
    begun(system)
    return system["before"].only() + system["power"].sum() * system.time.hours


@slow.calculation(
    inputs=[Input("power", source="panels", unit="W", connected="inside")], outputs=[Output("mean", "W")], period=43_200
)
def average(system: Context) -> float:
    begun(system)
    return system["power"].sum() / len(system["power"])


@hen.calculation(inputs=[Input("egg", source="egg", connected="inside")], outputs=[Output("hen")])
def lay(system: Context) -> float:
    return system["egg"].sum()


@egg.calculation(inputs=[Input("hen", source="hen", connected="around")], outputs=[Output("egg")])
def hatch(thing: Context) -> float:
    return thing["hen"].only()


if __name__ == "__main__":
    gate("ready")
    {service.name: service for service in (panels, meter, slow, hen, egg)}[sys.argv[1]].run()
