"""The neighbourhood as processes on a real broker gives, to the bit, what it gives on the bench."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import yaml

from podium.sdk import lifecycle_pb2 as pb
from podium.sdk import topics, wire
from podium.sdk.esdl import EnergySystem
from podium.sdk.parameters import ServiceEntry
from podium.sdk.testing import Bench
from tests.examples.neighbourhood import EXAMPLE, load_services
from tests.parts.mosquitto import Mosquitto

STEPS = 20
SECONDS = 60
SIMULATION = "neighbourhood-1"
Heard = queue.Queue[tuple[str, bytes]]


def heard_of_all(heard: Heard, models: set[str], message: str, data: dict[str, dict[str, Any]]) -> None:
    """Until each model has said `message`; what services tell each other meanwhile is noted in `data`."""
    missing = set(models)
    while missing:
        topic, payload = heard.get(timeout=SECONDS)
        assert not topic.endswith("ErrorOccurred"), payload
        if topic.startswith("/data/"):
            datum = wire.decode(topic, payload)
            data[datum.esdl_id][datum.output] = datum.value
        elif topic.endswith(message):
            missing.discard(topic.split("/")[5])


@pytest.mark.parametrize("versions", [[1, 2], [1]], ids=["version 2", "version 1"])
async def test_processes_and_bench_agree(mosquitto: Mosquitto, tmp_path: Path, versions: list[int]) -> None:
    await mosquitto.start()
    document = json.loads((EXAMPLE / "simulation.json").read_text())
    scripts = {
        entry["image"]: entry["command"][1] for entry in yaml.safe_load((EXAMPLE / "models.yaml").read_text())["models"]
    }
    xml = (EXAMPLE / document["esdl_file"]).read_bytes()
    system = EnergySystem(xml)
    bench = Bench(*load_services(), esdl=xml, start=document["start_date"])
    start = int(bench.start.timestamp())

    models: dict[str, tuple[str, list[str]]] = {}
    for entry in document["calculation_services"]:
        service = ServiceEntry(entry["calc_service_name"], entry["esdl_type"], entry["nr_of_models"])
        for thing, model in service.models_of(system):
            models.setdefault(model, (scripts[entry["service_image_url"]], []))[1].append(thing.id)
    parameters = {
        "simulation_name": document["name"],
        "start_timestamp": start,
        "time_step_seconds": document["time_step_seconds"],
        "nr_of_time_steps": STEPS,
        "calculation_services": document["calculation_services"],
        "esdl_base64string": base64.b64encode(xml).decode(),
        "protocol_versions": versions,
    }
    heard: Heard = queue.Queue()
    listening: queue.Queue[None] = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.username_pw_set(mosquitto.user, mosquitto.password)
    client.on_subscribe = lambda *_: listening.put(None)
    client.on_message = lambda _c, _u, message: heard.put((message.topic, message.payload))
    client.connect(mosquitto.host, mosquitto.port)
    client.subscribe([("/lifecycle/model/#", 1), ("/data/#", 1)])
    client.loop_start()
    listening.get(timeout=SECONDS)
    with ExitStack() as stack:
        stack.callback(client.loop_stop)
        stack.callback(client.disconnect)
        processes = []
        for model, (script, _) in models.items():
            env = {
                "PATH": os.environ["PATH"],
                "MQTT_HOST": mosquitto.host,
                "MQTT_PORT": str(mosquitto.port),
                "MQTT_QOS": "1",
                "MQTT_USERNAME": mosquitto.user,
                "MQTT_PASSWORD": mosquitto.password,
                "SIMULATION_ID": SIMULATION,
                "MODEL_ID": model,
            }
            processes.append(subprocess.Popen([sys.executable, script], cwd=EXAMPLE, env=env))  # noqa: ASYNC220 (it returns at once)
            stack.callback(processes[-1].wait)
            stack.callback(processes[-1].kill)
        data: dict[str, dict[str, Any]] = defaultdict(dict)
        heard_of_all(heard, set(models), "ReadyForProcessing", data)

        def tell(model: str, message: str, text: str) -> None:
            payload = pb.NewStep(parameters_dict=text).SerializeToString()  # one field, as ModelParameters
            client.publish(topics.simulator_to_model("dots-so", SIMULATION, model, message), payload, 1)

        for model, (_, ids) in models.items():
            tell(model, "ModelParameters", json.dumps(parameters | {"esdl_ids": ids}))
        heard_of_all(heard, set(models), "Parameterized", data)
        for number in range(1, STEPS + 1):
            text = json.dumps({"time_step_nr": str(number), "start_time_stamp": start + (number - 1) * 900})
            if 2 in versions:
                payload = pb.NewStep(parameters_dict=text).SerializeToString()
                client.publish(topics.step_for_all("dots-so", SIMULATION), payload, 1)
            else:
                for model in models:
                    tell(model, "NewStep", text)
            heard_of_all(heard, set(models), "CalculationsDone", data)
            expected = bench.step()
            assert data == {esdl_id: dict(outputs) for esdl_id, outputs in expected.items()}
        for model in models:
            tell(model, "SimulationDone", "")
        assert [process.wait(SECONDS) for process in processes] == [0] * len(models)
