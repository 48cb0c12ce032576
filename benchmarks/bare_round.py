"""The bare round: publish to N, wait for N answers, nothing else. What no orchestrator on this broker can beat.

Two clients drive it: paho, as the field's own orchestrator uses it, and Podium's own link.
"""

from __future__ import annotations

import asyncio
import threading
import time

import paho.mqtt.client as mqtt

from benchmarks.answerer import connect
from benchmarks.brokers import Broker
from podium.bus.port import Bus, Message
from podium.sdk import lifecycle_pb2 as pb

PAYLOAD = pb.NewStep(parameters_dict='{"time_step_nr": "1", "start_time_stamp": 1674604800}').SerializeToString()
ANSWERS = "/lifecycle/model/dots-so/bare/+/CalculationsDone"


def topics(models: int) -> list[str]:
    return [f"/lifecycle/dots-so/model/bare/model-{n}/NewStep" for n in range(1, models + 1)]


def with_paho(broker: Broker, models: int, rounds: int, qos: int) -> float:
    """Rounds per second."""
    client = connect(broker.host, broker.port, "bare", broker.user, broker.password)
    left, done, subscribed = models, threading.Event(), threading.Event()

    def on_message(_client: mqtt.Client, _data: object, _message: mqtt.MQTTMessage) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.loop_start()
    client.subscribe(ANSWERS, qos)
    subscribed.wait(10)
    to = topics(models)
    begin = time.perf_counter()
    for _ in range(rounds):
        left = models
        done.clear()
        for topic in to:
            client.publish(topic, PAYLOAD, qos)
        if not done.wait(30):
            raise TimeoutError("a model has not answered")
    seconds = time.perf_counter() - begin
    client.disconnect()
    client.loop_stop()
    return rounds / seconds


async def with_bus(bus: Bus, models: int, rounds: int, qos: int) -> float:
    """Rounds per second."""
    left, done = models, asyncio.Event()

    def on_message(message: Message) -> None:
        nonlocal left
        message.ack()
        left -= 1
        if left == 0:
            done.set()

    subscription = await bus.subscribe(ANSWERS, on_message, qos=qos, max_in_flight=10_000)
    messages = [(topic, PAYLOAD) for topic in topics(models)]
    begin = time.perf_counter()
    for _ in range(rounds):
        left = models
        done.clear()
        await bus.publish_many(messages, qos=qos)
        await asyncio.wait_for(done.wait(), 30)
    seconds = time.perf_counter() - begin
    await subscription.close()
    return rounds / seconds
