"""Writes neighbourhood.esdl: 24 homes along one street below one transformer. The same file every time.

python make_esdl.py
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from xml.etree import ElementTree as ET

XSI = "http://www.w3.org/2001/XMLSchema-instance"
ESDL = "http://www.tno.nl/esdl"
HOMES = 24
LATITUDE, LONGITUDE = 52.0907, 5.1214
JOULES_PER_KWH = 3.6e6
PORT_NUMBERS = count(1)


def main() -> None:
    ET.register_namespace("xsi", XSI)
    ET.register_namespace("esdl", ESDL)
    system = ET.Element(f"{{{ESDL}}}EnergySystem", id="neighbourhood", name="Neighbourhood", esdlVersion="v2401")
    information = add(system, "energySystemInformation", "EnergySystemInformation", "information")
    add(
        add(information, "carriers", "Carriers", "carriers"),
        "carrier",
        "ElectricityCommodity",
        "electricity",
        "Electricity",
    )
    area = add(add(system, "instance", "Instance", "instance", "Today"), "area", "Area", "street", "Sunny Street")

    grid = add(area, "asset", "ElectricityNetwork", "grid", "Medium-voltage grid", voltage="10000.0")
    transformer = add(
        area,
        "asset",
        "Transformer",
        "transformer",
        "Transformer",
        capacity="63000.0",
        voltagePrimary="10.0",
        voltageSecundary="0.4",
    )
    connect(port(grid, "Out"), port(transformer, "In"))
    feeder = port(transformer, "Out")
    for number in range(1, HOMES + 1):
        home(area, feeder, number)

    ET.indent(system)
    path = Path(__file__).with_name("neighbourhood.esdl")
    path.write_bytes(ET.tostring(system, encoding="UTF-8", xml_declaration=True) + b"\n")


def home(area: ET.Element, feeder: ET.Element, number: int) -> None:
    """A home: panels on three of four roofs, a heat pump in each third, a charger at each fourth, some batteries."""
    key = f"home-{number:02}"
    cable = add(area, "asset", "ElectricityCable", f"{key}-cable", f"Cable {number}", length=f"{20.0 + 15 * number}")
    building = add(area, "asset", "Building", key, f"Home {number}")
    add_point(building, LATITUDE + number * 2e-4, LONGITUDE + number % 2 * 3e-4)
    connection = add(building, "asset", "EConnection", f"{key}-connection", f"Connection {number}")
    connect(feeder, port(cable, "In"))
    connect(port(cable, "Out"), port(connection, "In"))
    inside = port(connection, "Out")

    annual_kwh = 2400 + 150 * (number * 7 % HOMES)
    demand = add(
        building,
        "asset",
        "ElectricityDemand",
        f"{key}-demand",
        f"Household {number}",
        power=f"{annual_kwh * 1000 / 8760:.1f}",
    )
    connect(inside, port(demand, "In"))
    if number % 4:
        panels = add(
            building,
            "asset",
            "PVInstallation",
            f"{key}-pv",
            f"Panels {number}",
            panelEfficiency="0.2",
            surfaceArea=f"{14 + number * 5 % 12}",
            angle="35",
            orientation=f"{(150, 180, 210)[number % 3]}",
        )
        connect(port(panels, "Out"), port(connection, "In"))
    if number % 3 == 0:
        pump = add(building, "asset", "HeatPump", f"{key}-heat-pump", f"Heat pump {number}", power="6000.0")
        connect(inside, port(pump, "In"))
    if number % 4 == 1:
        charger = add(building, "asset", "EVChargingStation", f"{key}-charger", f"Charger {number}", power="7400.0")
        connect(inside, port(charger, "In"))
    if number % 12 in (1, 3, 6, 7, 11):
        battery = add(
            building,
            "asset",
            "Battery",
            f"{key}-battery",
            f"Battery {number}",
            fillLevel="0.3",
            capacity=f"{(5 + number % 4) * JOULES_PER_KWH}",
            maxChargeRate="2500.0",
            maxDischargeRate="2500.0",
            chargeEfficiency="0.95",
            dischargeEfficiency="0.95",
        )
        connect(inside, port(battery, "In"))


def add(parent: ET.Element, tag: str, kind: str, key: str, name: str = "", **attributes: str) -> ET.Element:
    named = {"name": name} if name else {}
    return ET.SubElement(parent, tag, {f"{{{XSI}}}type": f"esdl:{kind}", "id": key, **named, **attributes})


def add_point(parent: ET.Element, latitude: float, longitude: float) -> None:
    position = {"lat": f"{latitude:.6f}", "lon": f"{longitude:.6f}"}
    ET.SubElement(parent, "geometry", {f"{{{XSI}}}type": "esdl:Point", **position})


def port(asset: ET.Element, direction: str) -> ET.Element:
    number = next(PORT_NUMBERS)
    return add(asset, "port", f"{direction}Port", f"port-{number}", direction, carrier="electricity")


def connect(one: ET.Element, other: ET.Element) -> None:
    for near, far in ((one, other), (other, one)):
        near.set("connectedTo", f"{near.get('connectedTo', '')} {far.get('id')}".strip())


if __name__ == "__main__":
    main()
