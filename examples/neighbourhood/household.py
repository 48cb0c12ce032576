"""What a home draws for light, cooking and appliances: a base, a morning and an evening peak, and habits of its own."""

from __future__ import annotations

from math import exp
from zlib import crc32

from podium.sdk import CalculationService, Context, Output

service = CalculationService("household", "ElectricityDemand", parameters={"utc_offset_hours": 2.0})


@service.calculation(outputs=[Output("power", "W")])
def draw(home: Context) -> float:
    """The shape has a mean of about one over a day; the object's `power` is its average over a year."""
    habit = crc32(home.object.id.encode()) / 2**32  # 0..1, the same in every run
    hour = (home.time.stamp / 3600 + home.parameters["utc_offset_hours"]) % 24
    weekend = home.time.at.weekday() >= 5
    morning = peak(hour, at=(9.5 if weekend else 7.5) + habit, width=1.2)
    noon = peak(hour, at=13, width=2.0) * (0.7 if weekend else 0.2)
    evening = peak(hour, at=18.5 + 1.5 * habit, width=2.0)
    flicker = crc32(f"{home.object.id}/{home.time.stamp}".encode()) / 2**32 - 0.5
    return home.object.number("power") * (0.45 + 1.1 * morning + noon + 1.9 * evening + 0.2 * flicker)


def peak(hour: float, *, at: float, width: float) -> float:
    """A bell around `at` o'clock."""
    distance = (hour - at + 12) % 24 - 12
    return exp(-((distance / width) ** 2))


if __name__ == "__main__":
    service.run()
