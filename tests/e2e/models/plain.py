"""A version-1 calculation service as the field has them, written with paho and the `.proto` alone: no SDK.

It adds up its steps in a way that one too many or too few would change, and can be made to fail:

    FAULT   exit:<step>:<code> | kill:<step> | silent:<step> | error:<step> | twice:<step> | never-ready | deaf-to-end

`points.py` tells of what it writes down, and where it can be made to wait.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import sys

import paho.mqtt.client as mqtt
from points import CHOSEN, gate, trace

from podium.sdk import lifecycle_pb2 as pb

SIMULATOR, SIMULATION, MODEL = (os.environ[name] for name in ("SIMULATOR_ID", "SIMULATION_ID", "MODEL_ID"))
FAULT = os.environ.get("FAULT", "").split(":") if CHOSEN else [""]


def fault(name: str, step: int | None = None) -> bool:
    return FAULT[0] == name and (step is None or FAULT[1] == str(step))


def main() -> int:
    inbox: queue.Queue[tuple[str, bytes]] = queue.Queue()
    subscribed: queue.Queue[None] = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"{SIMULATION}-{MODEL}")
    client.username_pw_set(os.environ["MQTT_USERNAME"] or None, os.environ["MQTT_PASSWORD"] or None)
    client.max_inflight_messages_set(1000)
    client.reconnect_delay_set(1, 1)

    def topic(message: str) -> str:
        return f"/lifecycle/{SIMULATOR}/model/{SIMULATION}/{MODEL}/{message}"

    def say(message: str, payload: bytes = b"", to: str = SIMULATOR) -> None:
        client.publish(f"/lifecycle/model/{to}/{SIMULATION}/{MODEL}/{message}", payload)

    def on_socket_open(_client: mqtt.Client, _data: object, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def on_connect(client: mqtt.Client, *_: object) -> None:
        client.subscribe([(topic(name), 0) for name in ("ModelParameters", "NewStep", "SimulationDone")])

    client.on_socket_open = on_socket_open
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: subscribed.put(None)
    client.on_message = lambda _client, _data, message: inbox.put((message.topic.rsplit("/", 1)[1], message.payload))
    client.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]))
    client.loop_start()
    subscribed.get(timeout=30)
    gate("ready")
    if not fault("never-ready"):
        say("ReadyForProcessing", to="mso")

    total = 1
    while True:
        name, payload = inbox.get()
        if name == "ModelParameters":
            message = pb.ModelParameters.FromString(payload)
            print("esdl ids", json.loads(message.parameters_dict)["esdl_ids"], flush=True)
            gate("parameters")
            say("Parameterized")
        elif name == "NewStep":
            parameters = json.loads(pb.NewStep.FromString(payload).parameters_dict)
            step = int(parameters["time_step_nr"])
            total = (total * 75 + step) % 65537
            trace(step, parameters["start_time_stamp"], total)
            gate(f"step:{step}")
            if fault("exit", step):
                print("something went wrong in the model", file=sys.stderr, flush=True)
                return int(FAULT[2])
            if fault("kill", step):
                os.kill(os.getpid(), signal.SIGKILL)
            if fault("error", step):
                say("ErrorOccurred", pb.ErrorOccurred(error_message="the roof is on fire").SerializeToString())
            elif not fault("silent", step):
                say("CalculationsDone")
                if fault("twice", step):
                    say("CalculationsDone")
        elif name == "SimulationDone" and not fault("deaf-to-end"):
            gate("end")
            client.disconnect()
            client.loop_stop()
            return 0


if __name__ == "__main__":
    sys.exit(main())
