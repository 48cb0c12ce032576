"""What the author of a model imports: nothing of Podium's server, and fit for any orchestrator of the field."""

from __future__ import annotations

from podium.sdk.context import Context, Simulation, Time, Values
from podium.sdk.declaration import DeclarationError, Input, Output, OutputError
from podium.sdk.esdl import EnergySystem, EsdlError, EsdlObject, Port
from podium.sdk.service import CalculationService

__all__ = [
    "CalculationService",
    "Context",
    "DeclarationError",
    "EnergySystem",
    "EsdlError",
    "EsdlObject",
    "Input",
    "Output",
    "OutputError",
    "Port",
    "Simulation",
    "Time",
    "Values",
]
