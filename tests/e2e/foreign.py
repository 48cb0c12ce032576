"""Calculation services of version 1 and their MSO as somebody else might write them: with paho and their own `.proto`.

Nothing of Podium is imported here. The services form a chain: the sun shines for all, each PV installation turns it
into power, each connection adds up the power it was sent. As in the field, a service answers before it clears its
inputs.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import paho.mqtt.client as mqtt
from grpc_tools import protoc
from lxml import etree

PROTO = """
syntax = "proto3";
message EnvironmentVariable { string name = 1; string value = 2; }
message ModelConfiguration {
  string modelID = 1; string imageUrl = 2; repeated EnvironmentVariable environmentVariables = 3;
}
message DeployModels {
  string simulatorId = 1; repeated ModelConfiguration modelConfigurations = 2; double keepLogsHours = 3;
}
message ReadyForProcessing {}
message ModelsReady {}
message ModelParameters { string parameters_dict = 1; }
message Parametrized {}
message NewStep { string parameters_dict = 1; }
message CalculationsDone {}
message ErrorOccurred { string error_message = 1; }
message SimulationDone {}
enum TerminationStatus { SUCCESSFULL = 0; FAILED = 1; }
message ModelHasTerminated { TerminationStatus status = 1; int32 exitCode = 2; }
message AllModelsHaveTerminated {}
message Amount { string origin_esdl_id = 1; double value = 2; }
"""

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
UPSTREAM = {"EnergySystem": None, "PVInstallation": "EnergySystem", "EConnection": "PVInstallation"}


def compiled(directory: Path) -> ModuleType:
    """The messages of `PROTO`."""
    name = "foreign_lifecycle"
    if name in sys.modules:
        return sys.modules[name]
    (directory / f"{name}.proto").write_text(PROTO)
    assert protoc.main(["protoc", f"-I{directory}", f"--python_out={directory}", f"{name}.proto"]) == 0
    spec = importlib.util.spec_from_file_location(name, directory / f"{name}_pb2.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def connected(
    host: str, port: int, user: str, password: str, on_message: Any, topics: list[str], qos: int
) -> mqtt.Client:
    """A client in a thread of its own; returns when its subscriptions are made."""
    subscribed = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.username_pw_set(user, password)
    client.on_socket_open = lambda _c, _u, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.reconnect_delay_set(1, 1)  # sooner than it is asked again
    client.on_connect = lambda c, *_: c.subscribe([(topic, qos) for topic in topics])
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = on_message
    client.connect(host, port)
    client.loop_start()
    assert subscribed.wait(60)
    return client


class Pause:
    """A point at which a model stays until it may go on; what it says there goes out when it does."""

    def __init__(self) -> None:
        self._reached, self._over = threading.Event(), threading.Event()

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 60)

    def keep(self) -> None:
        self._reached.set()
        self._over.wait()

    def end(self) -> None:
        self._over.set()


class Service:
    """One model."""

    def __init__(self, house: Services, env: dict[str, str]) -> None:
        self.house = house
        self.pb = house.pb
        self.env = env
        self.simulation, self.model = env["SIMULATION_ID"], env["MODEL_ID"]
        self.parameters: dict[str, Any] = {}
        self.parameters_given = 0
        self.steps: list[tuple[int, float]] = []
        self.step: int | None = None
        self.inputs: dict[str, float] = {}
        self.needed: set[str] = set()
        self.total = 0.0
        self.client = connected(
            env["MQTT_HOST"],
            int(env["MQTT_PORT"]),
            env["MQTT_USERNAME"],
            env["MQTT_PASSWORD"],
            self._on_message,
            [f"/lifecycle/dots-so/model/{self.simulation}/{self.model}/#", f"/data/+/model/{self.simulation}/+/+"],
            int(env["MQTT_QOS"]),
        )
        self._to_mso("ReadyForProcessing")

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        levels = message.topic.split("/")
        if levels[1] == "data":
            amount = self.pb.Amount.FromString(message.payload)
            if amount.origin_esdl_id in self.needed:
                self.inputs[amount.origin_esdl_id] = amount.value
        elif levels[6] == "ModelParameters":
            self._parameterize(json.loads(self.pb.ModelParameters.FromString(message.payload).parameters_dict))
        elif levels[6] == "NewStep":
            step = json.loads(self.pb.NewStep.FromString(message.payload).parameters_dict)
            self.step = int(step["time_step_nr"])
            self.steps.append((self.step, step["start_time_stamp"]))
            if self.step == self.house.fails_at and self.kind == "PVInstallation":
                self._say("ErrorOccurred", self.pb.ErrorOccurred(error_message="no sun").SerializeToString())
                return
        elif levels[6] == "SimulationDone":
            threading.Thread(target=self.house.ended, args=[self]).start()
        if self.step is not None and self.needed <= self.inputs.keys():
            self._calculate()

    def _parameterize(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters
        self.parameters_given += 1
        document = etree.fromstring(base64.b64decode(parameters["esdl_base64string"], validate=True))
        own = next(
            one
            for one in parameters["calculation_services"]
            if self.model.rpartition("-")[0] == one["calc_service_name"].replace("_", "-")
        )
        self.service, self.kind = own["calc_service_name"], own["esdl_type"]
        above = UPSTREAM[self.kind]
        if above == "EnergySystem":
            self.needed = {document.attrib["id"]}
        elif above:
            self.needed = {one.attrib["id"] for one in document.iter() if one.get(XSI_TYPE) == f"esdl:{above}"}
        self._say("Parameterized", self.pb.Parametrized().SerializeToString())

    def _calculate(self) -> None:
        assert self.step is not None
        value = sum(self.inputs.values()) if self.needed else float(self.step)
        for esdl_id in self.parameters["esdl_ids"]:
            self.total += value
            amount = self.pb.Amount(origin_esdl_id=esdl_id, value=value).SerializeToString()
            self.client.publish(f"/data/{self.service}/model/{self.simulation}/{esdl_id}/amount", amount)
        self._say("CalculationsDone")
        self.step = None
        self.inputs.clear()

    def _say(self, message: str, payload: bytes = b"") -> None:
        self.client.publish(f"/lifecycle/model/dots-so/{self.simulation}/{self.model}/{message}", payload)
        self.house.said(message)

    def _to_mso(self, message: str) -> None:
        self.client.publish(f"/lifecycle/model/mso/{self.simulation}/{self.model}/{message}", b"")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Services:
    """The MSO, which keeps its models in this very process.

    Args:
        fails_at: the step at which the PV installations report an error.
    """

    def __init__(
        self, directory: Path, host: str, port: int, user: str, password: str, *, fails_at: int | None = None
    ) -> None:
        self.pb = compiled(directory)
        self.fails_at = fails_at
        self.models: dict[str, Service] = {}
        self.alive: set[str] = set()
        self._expected = 0
        self._ready = 0
        self._lock = threading.Lock()
        self._pauses: list[tuple[str, int, Pause]] = []
        self.client = connected(
            host,
            port,
            user,
            password,
            self._on_message,
            ["/lifecycle/dots-so/mso/+/DeployModels", "/lifecycle/model/mso/+/+/ReadyForProcessing"],
            0,
        )

    def pauses(self, message: str, count: int) -> Pause:
        """Where some model says `message` for the `count`-th time."""
        self._pauses.append((message, count, Pause()))
        return self._pauses[-1][2]

    def said(self, message: str) -> None:
        here = []
        with self._lock:
            for index, (awaited, count, pause) in enumerate(self._pauses):
                if awaited == message:
                    self._pauses[index] = (awaited, count - 1, pause)
                    if count == 1:
                        here.append(pause)
        for pause in here:
            pause.keep()

    def ended(self, model: Service) -> None:
        model.close()
        with self._lock:
            if model.model not in self.alive:
                return
            self.alive.remove(model.model)
            status = self.pb.ModelHasTerminated(status=self.pb.SUCCESSFULL, exitCode=0).SerializeToString()
            self._tell(model.simulation, f"{model.model}/ModelHasTerminated", status)
            if not self.alive:
                self._tell(model.simulation, "AllModelsHaveTerminated")

    def close(self) -> None:
        for _, _, pause in self._pauses:
            pause.end()
        for model in self.models.values():
            model.close()
        self.client.disconnect()
        self.client.loop_stop()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        levels = message.topic.split("/")
        if levels[-1] == "ReadyForProcessing":
            self._ready += 1
            if self._ready == self._expected:
                self._tell(levels[4], "ModelsReady")
            return
        order = self.pb.DeployModels.FromString(message.payload)
        assert order.simulatorId == "dots-so"
        environments = [
            {one.name: one.value for one in model.environmentVariables} for model in order.modelConfigurations
        ]
        self._expected = len(environments)
        self.alive = {env["MODEL_ID"] for env in environments}
        threading.Thread(target=self._run, args=[environments]).start()

    def _run(self, environments: list[dict[str, str]]) -> None:
        for env in environments:
            self.models[env["MODEL_ID"]] = Service(self, env)

    def _tell(self, simulation: str, message: str, payload: bytes = b"") -> None:
        self.client.publish(f"/lifecycle/mso/dots-so/{simulation}/{message}", payload)
