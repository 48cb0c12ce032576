"""The services of the neighbourhood, out of their scripts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from podium.sdk import CalculationService

EXAMPLE = Path(__file__).parents[2] / "examples" / "neighbourhood"
NAMES = ("pv", "household", "heat_pump", "charger", "battery", "connection", "cable", "transformer")


def load_services() -> list[CalculationService]:
    sys.path.insert(0, str(EXAMPLE))
    try:
        return [importlib.import_module(name).service for name in NAMES]
    finally:
        sys.path.remove(str(EXAMPLE))
