"""N version-1 models that answer at once, and the MSO that deploys them, in one process with one paho connection.

    python -m benchmarks.answerer HOST PORT QOS      user and password from MQTT_USERNAME and MQTT_PASSWORD

It serves the bare round and Podium alike, so both are measured against the same models. It
says `listening` once it does.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

import paho.mqtt.client as mqtt

from podium.sdk import lifecycle_pb2 as pb


def connect(host: str, port: int, name: str, user: str, password: str) -> mqtt.Client:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
    if user:
        client.username_pw_set(user, password)
    client.max_inflight_messages_set(0)
    client.max_queued_messages_set(0)

    def nodelay(_client: mqtt.Client, _data: object, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    client.on_socket_open = nodelay
    client.connect(host, port)
    return client


def main(host: str, port: int, qos: int) -> None:
    client = connect(host, port, "answerer", os.environ["MQTT_USERNAME"], os.environ["MQTT_PASSWORD"])

    def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        _, _, simulator, _, simulation, *rest = message.topic.split("/")
        match rest:
            case [model, "NewStep"]:
                client.publish(f"/lifecycle/model/{simulator}/{simulation}/{model}/CalculationsDone", b"", qos)
            case [model, "ModelParameters"]:
                client.publish(f"/lifecycle/model/{simulator}/{simulation}/{model}/Parameterized", b"", qos)
            case ["DeployModels"]:
                deployed[simulation] = [
                    model.modelID for model in pb.DeployModels.FromString(message.payload).modelConfigurations
                ]
                client.publish(f"/lifecycle/mso/{simulator}/{simulation}/ModelsReady", b"", qos)
            case [model, "SimulationDone"]:
                models = deployed.get(simulation, [])
                if model in models:
                    models.remove(model)
                    payload = pb.ModelHasTerminated(status=pb.SUCCESSFULL).SerializeToString()
                    topic = f"/lifecycle/mso/{simulator}/{simulation}"
                    client.publish(f"{topic}/{model}/ModelHasTerminated", payload, qos)
                    if not models:
                        client.publish(f"{topic}/AllModelsHaveTerminated", b"", qos)

    deployed: dict[str, list[str]] = {}
    client.on_message = on_message
    client.on_subscribe = lambda *_: print("listening", flush=True)
    client.subscribe([("/lifecycle/+/mso/+/DeployModels", qos), ("/lifecycle/+/model/#", qos)])
    client.loop_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
