"""A model of version 1, written with paho alone. What it does comes in the variable PLAN, words separated by spaces:
`die:CODE` before it is ready, `late` is ready once told `go`, `pong` answers pings until told `mute`.
It ends with the number that `end` carries."""

from __future__ import annotations

import os
import signal
import sys

import paho.mqtt.client as paho

simulation, model, so = (os.environ[name] for name in ("SIMULATION_ID", "MODEL_ID", "SIMULATOR_ID"))
plan = os.environ.get("PLAN", "").split()
answers = {"Ping"} if "pong" in plan else set()
print("model", model, "begins", flush=True)
for word in plan:
    if word.startswith("die:"):
        print("some last words", file=sys.stderr)
        sys.exit(int(word.removeprefix("die:")))

client = paho.Client(paho.CallbackAPIVersion.VERSION2)
client.username_pw_set(os.environ["MQTT_USERNAME"], os.environ["MQTT_PASSWORD"])
orders = f"/lifecycle/{so}/model/{simulation}/{model}"


def ready() -> None:
    client.publish(f"/lifecycle/model/mso/{simulation}/{model}/ReadyForProcessing", b"", qos=1)


def subscribed(*_) -> None:
    client.publish(f"/log/model/{so}/{simulation}/{model}", f"up {os.getpid()}".encode(), qos=1)
    if "late" not in plan:
        ready()


def heard(_client, _data, message) -> None:
    match message.topic.rpartition("/")[2]:
        case "go":
            ready()
        case "mute":
            answers.clear()
            client.publish(f"/log/model/{so}/{simulation}/{model}/mute", b"", qos=1)
        case "end":
            os._exit(int(message.payload))
        case "Ping" if answers:
            client.publish(f"/health/model/mso/{simulation}/{model}/Pong", b"")


client.on_connect = lambda *_: client.subscribe(
    [(f"{orders}/#", 1), (f"/health/mso/model/{simulation}/{model}/Ping", 0)]
)
client.on_subscribe = subscribed
client.on_message = heard
client.connect(os.environ["MQTT_HOST"], int(os.environ["MQTT_PORT"]))
client.loop_start()
signal.pause()
