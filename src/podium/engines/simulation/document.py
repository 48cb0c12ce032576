"""What a simulation is made from, in words that belong to no dialect."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0)]


class SimulationDocument(BaseModel):
    """The part of a run's document that the simulation machine reads, under the key `simulation`.

    Simulated time of step n (from 1) is `start + (n - 1) * step_seconds`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: int  # Unix seconds
    step_seconds: int = Field(gt=0)
    steps: int = Field(gt=0)
    models: tuple[str, ...] = Field(min_length=1)
    on_model_failure: Literal["fail", "continue"] = "fail"

    ready_timeout: Seconds = 300.0  # from deploy until all are ready
    step_timeout: Seconds = 600.0  # a step, or the parameterization
    end_timeout: Seconds = 30.0  # from Finish until all have ended; then Remove, and as long again
    settle: Seconds = 0.02  # pause before the next step for models of version 1
    away_timeout: Seconds = 600.0  # without the broker, while models are waited for
    quiet: Seconds = 5.0  # how long to listen after a loss before anything is sent again
