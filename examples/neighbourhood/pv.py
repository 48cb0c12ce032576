"""Solar panels under a clear sky.

Sun position after Cooper (1969) and Spencer (1971); beam and diffuse irradiance by the ASHRAE clear-day model (as in
Masters, "Renewable and Efficient Electric Power Systems", 2004); on the panel by the isotropic sky of Liu and Jordan
(1963).
"""

from __future__ import annotations

from math import acos, cos, degrees, exp, pi, radians, sin

from podium.sdk import CalculationService, Context, Output

service = CalculationService("pv", "PVInstallation", parameters={"performance_ratio": 0.85, "ground_albedo": 0.2})


@service.calculation(outputs=[Output("power", "W"), Output("irradiance", "W/m2")])
def generate(pv: Context) -> dict[str, float]:
    """Power out of the inverter, in the middle of the step."""
    latitude, longitude = pv.object.location or (52.0, 5.0)
    day = pv.time.at.timetuple().tm_yday
    hour = (pv.time.at.hour + pv.time.at.minute / 60 + pv.time.hours / 2) % 24
    irradiance = on_panel(
        *sun(day, hour, latitude, longitude),
        day=day,
        tilt=radians(pv.object.number("angle", 35)),
        azimuth=radians(pv.object.number("orientation", 180) - 180),
        albedo=pv.parameters["ground_albedo"],
    )
    area, efficiency = pv.object.number("surfaceArea"), pv.object.number("panelEfficiency", 0.2)
    return {"power": irradiance * area * efficiency * pv.parameters["performance_ratio"], "irradiance": irradiance}


def sun(day: int, hour: float, latitude: float, longitude: float) -> tuple[float, float]:
    """Height and azimuth of the sun in radians, azimuth from south to west; `hour` is in UTC."""
    b = 2 * pi * (day - 1) / 365
    equation_of_time = 229.18 * (
        0.000075 + 0.001868 * cos(b) - 0.032077 * sin(b) - 0.014615 * cos(2 * b) - 0.04089 * sin(2 * b)
    )
    hour_angle = radians(15 * (hour + longitude / 15 + equation_of_time / 60 - 12))
    declination = radians(23.45) * sin(2 * pi * (284 + day) / 365)
    lat = radians(latitude)
    height = pi / 2 - acos(sin(lat) * sin(declination) + cos(lat) * cos(declination) * cos(hour_angle))
    cosine = (sin(height) * sin(lat) - sin(declination)) / (cos(height) * cos(lat))
    azimuth = acos(max(-1.0, min(1.0, cosine)))
    return height, azimuth if hour_angle > 0 else -azimuth


def on_panel(height: float, sun_azimuth: float, *, day: int, tilt: float, azimuth: float, albedo: float) -> float:
    """Irradiance on the panel in W/m2; nothing when the sun is down."""
    if degrees(height) <= 0.5:
        return 0.0
    apparent = 1160 + 75 * sin(2 * pi * (day - 275) / 365)
    depth = 0.174 + 0.035 * sin(2 * pi * (day - 100) / 365)
    sky = 0.095 + 0.04 * sin(2 * pi * (day - 100) / 365)
    beam = apparent * exp(-depth / sin(height))
    incidence = cos(height) * cos(sun_azimuth - azimuth) * sin(tilt) + sin(height) * cos(tilt)
    diffuse = sky * beam * (1 + cos(tilt)) / 2
    reflected = albedo * beam * (sin(height) + sky) * (1 - cos(tilt)) / 2
    return beam * max(0.0, incidence) + diffuse + reflected


if __name__ == "__main__":
    service.run()
