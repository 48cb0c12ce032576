"""Whoever has models run, as somebody else might write it: with paho, and any `.proto`."""

from __future__ import annotations

import asyncio
import contextlib
from types import ModuleType
from typing import Any, Self

import paho.mqtt.client as paho

IMAGE = "model:1"


class Simulator:
    """Hears what the model services orchestrator and the models say.

    Args:
        pb: the messages, from whichever `.proto`.
    """

    def __init__(self, pb: ModuleType, host: str, port: int, user: str, password: str) -> None:
        self.pb = pb
        self._host, self._port = host, port
        self._access = {
            "MQTT_HOST": host,
            "MQTT_PORT": str(port),
            "MQTT_USERNAME": user,
            "MQTT_PASSWORD": password,
            "SIMULATOR_ID": "dots-so",
        }
        self.heard: list[tuple[str, bytes]] = []
        self._changed = asyncio.Condition()
        self._loop = asyncio.get_running_loop()
        # A lasting session: the broker keeps for it what is said while it has yet to come back.
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="simulator", clean_session=False)
        self._client.username_pw_set(user, password)
        self._client.on_message = lambda _c, _d, message: self._later(self._note, message.topic, message.payload)

    async def __aenter__(self) -> Self:
        subscribed = asyncio.Event()
        filters = ["/lifecycle/mso/#", "/lifecycle/model/#", "/log/#", "/health/mso/#", "/health/model/#"]
        self._client.on_connect = lambda *_: self._client.subscribe([(each, 1) for each in filters])
        self._client.on_subscribe = lambda *_: self._later(subscribed.set)
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        await subscribed.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _later(self, call: Any, *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *arguments)

    def _note(self, topic: str, payload: bytes) -> None:
        self.heard.append((topic, payload))
        self._tell = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def say(self, topic: str, payload: bytes = b"", qos: int = 1, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=qos, retain=retain)

    def deploy(
        self,
        simulation: str,
        *models: str,
        hours: float = 1.0,
        image: str = IMAGE,
        retain: bool = False,
        **plans: str,
    ) -> None:
        """`plans`: what a model is to do, by its id."""
        message = self.pb.DeployModels(simulatorId="dots-so", keepLogsHours=hours)
        for model in [*models, *plans]:
            own = {"SIMULATION_ID": simulation, "MODEL_ID": model, "PLAN": plans.get(model, "")}
            variables = [
                self.pb.EnvironmentVariable(name=name, value=value) for name, value in (self._access | own).items()
            ]
            message.modelConfigurations.add(modelID=model, imageUrl=image, environmentVariables=variables)
        self.say(f"/lifecycle/dots-so/mso/{simulation}/DeployModels", message.SerializeToString(), retain=retain)

    def remove(self, simulation: str) -> None:
        self.say(f"/lifecycle/dots-so/mso/{simulation}/RemoveModels")

    def order(self, simulation: str, model: str, word: str, payload: bytes = b"") -> None:
        self.say(f"/lifecycle/dots-so/model/{simulation}/{model}/{word}", payload)

    async def hear(self, topic: str, count: int = 1) -> bytes:
        """What came on `topic` (its end is enough) the `count`th time."""

        def matching() -> list[bytes]:
            return [payload for heard, payload in self.heard if heard.endswith(topic)]

        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(matching()) >= count)
        return matching()[count - 1]

    def count(self, topic: str) -> int:
        return sum(heard.endswith(topic) for heard, _ in self.heard)

    async def end(self, simulation: str, model: str, count: int = 1) -> Any:
        """A ModelHasTerminated."""
        topic = f"/lifecycle/mso/dots-so/{simulation}/{model}/ModelHasTerminated"
        return self.pb.ModelHasTerminated.FromString(await self.hear(topic, count))

    async def over(self, simulation: str, count: int = 1) -> None:
        await self.hear(f"/lifecycle/mso/dots-so/{simulation}/AllModelsHaveTerminated", count)

    async def ready(self, simulation: str, count: int = 1) -> None:
        await self.hear(f"/lifecycle/mso/dots-so/{simulation}/ModelsReady", count)

    async def said_ready(self, *models: str, simulation: str = "sim") -> None:
        """Each of these models said so once, and no other.

        It is waited for: what follows from it (ModelsReady) may reach us first, for nats-server keeps order within a
        filter, not between the filters of one session.
        """
        prefix, suffix = f"/lifecycle/model/mso/{simulation}/", "/ReadyForProcessing"
        for model in models:
            await self.hear(f"{prefix}{model}{suffix}")
        said = [topic for topic, _ in self.heard if topic.startswith(prefix) and topic.endswith(suffix)]
        assert sorted(said) == sorted(f"{prefix}{model}{suffix}" for model in models)

    async def sync_broker(self) -> None:
        """Return when the broker has all that was said before."""
        self.say("/log/model/nobody/sync/x")
        await self.hear("/log/model/nobody/sync/x")

    async def sync(self, count: int = 1) -> None:
        """Return when the orchestrator has dealt with all that was said before."""
        self.say("/health/dots-so/mso/Ping")
        await self.hear("/health/mso/dots-so/Pong", count)
