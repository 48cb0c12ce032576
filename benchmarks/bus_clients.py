"""Which MQTT client for our own link: rounds of 500 messages to ourselves through a real broker.

    python -m benchmarks.bus_clients [--seconds 3] [--uvloop]

A round publishes 500 messages to 500 topics and waits until all have come back, as a simulation step does. QoS 1 is
acknowledged by the application (`ack`), which aiomqtt does not offer: there the library acknowledges.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.parts.mosquitto import Mosquitto

from podium.bus import open_bus
from podium.bus.embedded import EmbeddedBroker

MODELS = 500
PAYLOAD = b"x" * 60
TOPICS = [f"bench/model/{number}/NewStep" for number in range(MODELS)]
Round = Callable[[], Awaitable[None]]


async def rate(seconds: float, one_round: Round) -> float:
    await one_round()
    started, rounds = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        await one_round()
        rounds += 1
    return rounds * MODELS / (time.perf_counter() - started)


class Arrivals:
    def __init__(self) -> None:
        self.count = 0
        self.all = asyncio.Event()

    def one(self) -> None:
        self.count += 1
        if self.count == MODELS:
            self.count = 0
            self.all.set()


async def with_gmqtt(where: dict[str, Any], qos: int, seconds: float) -> float:
    import gmqtt

    arrivals = Arrivals()
    client = gmqtt.Client("bench-gmqtt", optimistic_acknowledgement=qos == 0)
    client.set_auth_credentials(where["user"], where["password"])

    async def later(_client: Any, _topic: str, _payload: bytes, _qos: int, _properties: Any) -> int:
        arrivals.one()
        return 0

    def now(_client: Any, _topic: str, _payload: bytes, _qos: int, _properties: Any) -> int:
        arrivals.one()
        return 0

    client.on_message = later if qos else now
    subscribed = asyncio.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    await client.connect(where["host"], where["port"], version=where["version"])
    client.subscribe("bench/model/#", qos=qos)
    await subscribed.wait()

    async def one_round() -> None:
        arrivals.all.clear()
        for topic in TOPICS:
            client.publish(topic, PAYLOAD, qos=qos)
        await arrivals.all.wait()

    result = await rate(seconds, one_round)
    client.stop_reconnect()
    await client.disconnect()
    return result


def paho_client(where: dict[str, Any], name: str) -> Any:
    import paho.mqtt.client as paho

    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=paho.MQTTv5 if where["version"] == 5 else paho.MQTTv311,
        manual_ack=True,
    )
    client.max_inflight_messages_set(0)
    client.username_pw_set(where["user"], where["password"])
    return client


async def paho_rate(client: Any, arrivals: Arrivals, qos: int, seconds: float) -> float:
    async def one_round() -> None:
        arrivals.all.clear()
        for topic in TOPICS:
            client.publish(topic, PAYLOAD, qos=qos)
        await arrivals.all.wait()

    return await rate(seconds, one_round)


async def with_paho_on_asyncio(where: dict[str, Any], qos: int, seconds: float) -> float:
    arrivals, loop = Arrivals(), asyncio.get_running_loop()
    client = paho_client(where, "bench-paho")
    client.suppress_exceptions = False

    def opened(_client: Any, _userdata: Any, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.add_reader(sock.fileno(), client.loop_read)

    def message(_client: Any, _userdata: Any, each: Any) -> None:
        if each.qos:
            client.ack(each.mid, each.qos)
        arrivals.one()

    connected, subscribed = asyncio.Event(), asyncio.Event()
    client.on_socket_open = opened
    client.on_socket_close = lambda _c, _u, sock: loop.remove_reader(sock.fileno())
    client.on_socket_register_write = lambda _c, _u, sock: loop.add_writer(sock.fileno(), client.loop_write)
    client.on_socket_unregister_write = lambda _c, _u, sock: loop.remove_writer(sock.fileno())
    client.on_message = message
    client.on_connect = lambda *_: connected.set()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(where["host"], where["port"])
    await connected.wait()
    client.subscribe("bench/model/#", qos=qos)
    await subscribed.wait()

    result = await paho_rate(client, arrivals, qos, seconds)
    client.disconnect()
    client.loop_write()
    return result


async def with_paho_thread(where: dict[str, Any], qos: int, seconds: float) -> float:
    arrivals, loop = Arrivals(), asyncio.get_running_loop()
    client = paho_client(where, "bench-paho-thread")
    client.on_socket_open = lambda _c, _u, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(each: Any) -> None:
        if each.qos:
            client.ack(each.mid, each.qos)
        arrivals.one()

    connected, subscribed = asyncio.Event(), asyncio.Event()
    client.on_message = lambda _c, _u, each: loop.call_soon_threadsafe(handle, each)
    client.on_connect = lambda *_: loop.call_soon_threadsafe(connected.set)
    client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
    client.connect(where["host"], where["port"])
    client.loop_start()
    await connected.wait()
    client.subscribe("bench/model/#", qos=qos)
    await subscribed.wait()

    result = await paho_rate(client, arrivals, qos, seconds)
    client.disconnect()
    await asyncio.to_thread(client.loop_stop)
    return result


async def with_aiomqtt(where: dict[str, Any], qos: int, seconds: float) -> float:
    import aiomqtt

    async with aiomqtt.Client(
        where["host"],
        where["port"],
        username=where["user"],
        password=where["password"],
        protocol=aiomqtt.ProtocolVersion.V5 if where["version"] == 5 else aiomqtt.ProtocolVersion.V311,
        max_inflight_messages=65_000,
        max_concurrent_outgoing_calls=MODELS,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    ) as client:
        await client.subscribe("bench/model/#", qos=qos)

        async def one_round() -> None:
            sending = asyncio.gather(*(client.publish(topic, PAYLOAD, qos=qos) for topic in TOPICS))
            left = MODELS
            async for _ in client.messages:
                left -= 1
                if not left:
                    break
            await sending

        return await rate(seconds, one_round)


async def with_our_bus(where: dict[str, Any], qos: int, seconds: float) -> float:
    bus = await open_bus(where["url"], user=where["user"], password=where["password"])
    arrivals = Arrivals()

    def arrived(message: Any) -> None:
        message.ack()
        arrivals.one()

    await bus.subscribe("bench/model/#", arrived, qos=qos, max_in_flight=MODELS)
    messages = [(topic, PAYLOAD) for topic in TOPICS]

    async def one_round() -> None:
        arrivals.all.clear()
        await bus.publish_many(messages, qos=qos)
        await arrivals.all.wait()

    result = await rate(seconds, one_round)
    await bus.close()
    return result


async def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        mosquitto = Mosquitto(Path(directory))
        embedded = EmbeddedBroker(Path(directory) / "broker")
        await mosquitto.start()
        await embedded.start()
        ours = embedded.credentials
        places = {
            "Mosquitto": {
                "host": mosquitto.host,
                "port": mosquitto.port,
                "user": mosquitto.user,
                "password": mosquitto.password,
                "version": 5,
                "url": mosquitto.url,
            },
            "embedded, MQTT": {
                "host": embedded.host,
                "port": embedded.mqtt_port,
                "user": ours.user,
                "password": ours.password,
                "version": 4,
                "url": embedded.mqtt_url,
            },
        }
        clients = {
            "gmqtt": with_gmqtt,
            "paho on asyncio": with_paho_on_asyncio,
            "paho thread": with_paho_thread,
            "aiomqtt": with_aiomqtt,
            "Podium's bus": with_our_bus,
        }
        if importlib.util.find_spec("aiomqtt") is None:
            del clients["aiomqtt"]
            print("aiomqtt is not installed here and left out", file=sys.stderr)
        print("| broker | client | QoS 0, messages/s | QoS 1, messages/s |\n| --- | --- | ---: | ---: |")
        for broker, where in places.items():
            for client, measure in clients.items():
                figures = [await measure(where, qos, seconds) for qos in (0, 1)]
                print(f"| {broker} | {client} | {figures[0]:,.0f} | {figures[1]:,.0f} |", flush=True)
        nats = {"url": embedded.nats_url, "user": ours.user, "password": ours.password}
        figures = [await with_our_bus(nats, qos, seconds) for qos in (0, 1)]
        print(f"| embedded, NATS | Podium's bus | {figures[0]:,.0f} | {figures[1]:,.0f} |")
        mosquitto.stop()
        await embedded.stop()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--uvloop", action="store_true")
    chosen = options.parse_args()
    if chosen.uvloop:
        import uvloop

        uvloop.run(main(chosen.seconds))
    else:
        asyncio.run(main(chosen.seconds))
