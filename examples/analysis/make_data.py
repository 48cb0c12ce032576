"""Writes `data/`: a fleet, and its calls at a harbour, with the gaps and doubles that such records have.

Made up, by these rules: a ship is one of four kinds, which tells its size. Waiting for a berth grows with wind, with
the tide that a deep ship needs and with the queue before it; a call is late when it waited longer than two hours.
"""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

SHIPS, CALLS, SEED = 160, 1600, 42
# kind: length in m, draught in m, gross tonnage, engine in kW; the usual, and how much it varies
KINDS = {
    "ferry": ((140, 12), (6.0, 0.4), (22_000, 3_000), (24_000, 2_500)),
    "coaster": ((95, 9), (5.2, 0.4), (4_200, 700), (3_200, 400)),
    "container": ((290, 25), (13.2, 0.8), (78_000, 9_000), (52_000, 6_000)),
    "tanker": ((235, 15), (12.4, 0.9), (56_000, 6_000), (13_500, 1_300)),
}
DATA = Path(__file__).parent / "data"


def ships(random: Random) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for number in range(SHIPS):
        kind = random.choices(list(KINDS), [4, 6, 5, 3])[0]
        length, draught, tonnage, engine = (random.gauss(*numbers) for numbers in KINDS[kind])
        found.append(
            {
                "ship": f"s{number + 1:04}",
                "kind": kind,
                "length_m": round(length, 1),
                "beam_m": round(length * random.gauss(0.148, 0.005), 1),
                "draught_m": round(draught, 2),
                "gross_tonnage": round(tonnage, -1),
                "engine_kw": round(engine, -1),
            }
        )
    return found


def calls(random: Random, fleet: list[dict[str, object]]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    wind = 7.0
    for number in range(CALLS):
        ship = random.choice(fleet)
        wind = max(0.0, wind + random.gauss(0, 1.5) + (7 - wind) * 0.15)
        tide, queue = random.uniform(0.2, 3.8), min(9, int(random.expovariate(0.45)))
        deep = float(str(ship["draught_m"]))
        waiting = 0.5 * queue + 0.12 * max(0.0, wind - 8) + max(0.0, deep - 8 - tide) * 0.5 + random.gauss(0, 0.25)
        tonnes = float(str(ship["gross_tonnage"])) * random.uniform(0.1, 0.6)
        found.append(
            {
                "call": number + 1,
                "ship": ship["ship"],
                "wind_ms": round(wind, 1),
                "tide_m": round(tide, 2),
                "queue": queue,
                "cargo_t": round(tonnes),
                "late": "yes" if waiting > 2 else "no",
            }
        )
    return found


def spoiled(random: Random, rows: list[dict[str, object]], but: set[str]) -> list[dict[str, object]]:
    """As somebody typed them in: a value is missing here, a row is there twice."""
    found: list[dict[str, object]] = []
    for row in rows:
        kept = {name: "" if name not in but and random.random() < 0.012 else value for name, value in row.items()}
        found += [kept] * (2 if random.random() < 0.02 else 1)
    return found


def write(name: str, rows: list[dict[str, object]]) -> None:
    with (DATA / f"{name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    source = Random(SEED)
    fleet = ships(source)
    visits = calls(source, fleet)
    write("ships", spoiled(source, fleet, {"ship", "kind"}))
    write("calls", spoiled(source, visits, {"call", "ship", "late"}))
