"""The topics of the DOTS field, spelt once for whoever speaks them (note the leading slash)."""

from __future__ import annotations

DEFAULT_SIMULATOR = "dots-so"


def deploy_models(simulator: str, simulation: str) -> str:
    return f"/lifecycle/{simulator}/mso/{simulation}/DeployModels"


def remove_models(simulator: str, simulation: str) -> str:
    return f"/lifecycle/{simulator}/mso/{simulation}/RemoveModels"


def mso_to_simulator(simulator: str, simulation: str, message: str) -> str:
    """`ModelsReady`, `AllModelsHaveTerminated`."""
    return f"/lifecycle/mso/{simulator}/{simulation}/{message}"


def mso_about_model(simulator: str, simulation: str, model: str, message: str) -> str:
    """`ModelHasTerminated`, `UnhealthyModel`."""
    return f"/lifecycle/mso/{simulator}/{simulation}/{model}/{message}"


def model_to_mso(simulation: str, model: str, message: str) -> str:
    """`ReadyForProcessing`."""
    return f"/lifecycle/model/mso/{simulation}/{model}/{message}"


def simulator_to_model(simulator: str, simulation: str, model: str, message: str) -> str:
    """`ModelParameters`, `NewStep`, `SimulationDone`."""
    return f"/lifecycle/{simulator}/model/{simulation}/{model}/{message}"


def step_for_all(simulator: str, simulation: str) -> str:
    """Where models of version 2 hear of a step."""
    return f"/lifecycle/{simulator}/models/{simulation}/NewStep"


def model_to_simulator(simulator: str, simulation: str, model: str, message: str) -> str:
    """`Parameterized`, `CalculationsDone`, `ErrorOccurred`."""
    return f"/lifecycle/model/{simulator}/{simulation}/{model}/{message}"


def data(service: str, simulation: str, esdl_id: str, name: str) -> str:
    return f"/data/{service}/model/{simulation}/{esdl_id}/{name}"


def log(simulator: str, simulation: str, model: str) -> str:
    return f"/log/model/{simulator}/{simulation}/{model}"


def health_of_mso(simulator: str) -> tuple[str, str]:
    """Where the simulator pings, and where the MSO answers."""
    return f"/health/{simulator}/mso/Ping", f"/health/mso/{simulator}/Pong"


def health_of_model(simulation: str, model: str) -> tuple[str, str]:
    """Where the MSO pings, and where the model answers."""
    return f"/health/mso/model/{simulation}/{model}/Ping", f"/health/model/mso/{simulation}/{model}/Pong"
