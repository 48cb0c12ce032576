"""The steps of a small night shift: readings of a few meters, in plain Python.

What a function is given comes from the document, and what it returns is the result of its job. What it prints is in the
job's log (`podium logs RUN`).
"""

from __future__ import annotations

import math
import random
from typing import TypedDict


class Reading(TypedDict):
    meter: str
    hour: int
    kwh: float


def load(day: int, meters: int = 4) -> list[Reading]:
    """A day's readings, of which some are missing."""
    chance = random.Random(day)  # the same day has the same readings
    found: list[Reading] = []
    for meter in range(1, meters + 1):
        for hour in range(24):
            kwh = 0.2 + 0.15 * meter * max(0.0, math.sin((hour - 5) / 24 * 2 * math.pi)) + chance.random() / 10
            found.append({"meter": f"meter {meter}", "hour": hour, "kwh": math.nan if chance.random() < 0.05 else kwh})
    good = [reading for reading in found if not math.isnan(reading["kwh"])]
    print(f"{len(good)} of {len(found)} readings of day {day} can be used")
    return good


def by_meter(readings: list[Reading]) -> list[dict[str, object]]:
    """One item for each meter: the next job is performed for each of them."""
    meters: dict[str, list[Reading]] = {}
    for reading in readings:
        meters.setdefault(reading["meter"], []).append(reading)
    return [{"meter": meter, "readings": own} for meter, own in meters.items()]


def profile(item: dict[str, object]) -> dict[str, object]:
    """What is worth knowing of one meter; `item` is what this one of many is for."""
    readings: list[Reading] = item["readings"]  # type: ignore[assignment]
    peak = max(readings, key=lambda reading: reading["kwh"])
    total = sum(reading["kwh"] for reading in readings)
    return {"meter": item["meter"], "kwh": round(total, 2), "peak_hour": peak["hour"]}


def prices(day: int, night: float = 0.21) -> list[float]:
    """Euros for a kWh, by hour."""
    return [night if hour < 7 or hour >= 22 else night + 0.09 + day % 3 / 100 for hour in range(24)]


def cost(readings: list[Reading], prices: list[float]) -> float:
    return round(sum(reading["kwh"] * prices[reading["hour"]] for reading in readings), 2)


def report(profiles: list[dict[str, object]], cost: float) -> dict[str, object]:
    for one in profiles:
        print(f"{one['meter']}: {one['kwh']} kWh, most of it at {one['peak_hour']}:00")
    print(f"all of it costs {cost} euros")
    return {"meters": len(profiles), "cost": cost}
