"""The embedded broker: it outlives us, is adopted, comes back after a crash, and gives models only what they need."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import nats.errors
import pytest
import structlog
from nats.aio.client import Client

from podium.bus import open_bus
from podium.bus.broker_config import Ports
from podium.bus.embedded import EmbeddedBroker
from podium.bus.port import Bus, RemembersLifecycle
from podium.bus.process import Process
from podium.errors import Conflict, NotAllowed, Unavailable
from tests.bus.conftest import Heard
from tests.parts.nats import held, kill

START_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from podium.bus.embedded import EmbeddedBroker

async def main():
    broker = EmbeddedBroker(Path(sys.argv[1]))
    await broker.start()
    print("pid", broker.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def killed_podium(directory: Path) -> AsyncIterator[int]:
    """The pid of a broker whose Podium was `kill -9`ed."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START_AND_WAIT, str(directory), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    pid = 0
    async for line in parent.stdout:
        if line.startswith(b"pid "):
            pid = int(line.split()[1])
            break
    parent.kill()
    await parent.wait()
    parent._transport.close()
    yield pid


@contextmanager
def halted(broker: EmbeddedBroker) -> Iterator[None]:
    """The server does nothing for as long."""
    assert broker.pid
    server = Process.of(broker.pid)
    assert server
    server.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)


async def as_podium(broker: EmbeddedBroker, **options: Any) -> Bus:
    account = broker.credentials
    return await open_bus(
        broker.nats_url, user=account.user, password=account.password, remember=broker.remembered, **options
    )


async def until_restored(bus: Bus) -> asyncio.Event:
    event = asyncio.Event()
    bus.on_restored(event.set)
    return event


async def test_files_are_ours_alone(embedded: EmbeddedBroker) -> None:
    assert stat.S_IMODE(embedded.directory.stat().st_mode) == 0o700
    for name in ("broker.conf", "broker.json", "broker.pid"):
        assert stat.S_IMODE((embedded.directory / name).stat().st_mode) == 0o600


async def test_passwords_are_not_shown(embedded: EmbeddedBroker) -> None:
    shown = f"{embedded!r} {embedded.credentials!r} {embedded.models!r} {embedded.nats_url} {embedded._settings!r}"
    assert embedded.credentials.password not in shown
    assert embedded.models.password not in shown
    for file in ("cmdline", "environ"):
        assert embedded.credentials.password not in Path(f"/proc/{embedded.pid}", file).read_text()  # noqa: ASYNC240


async def test_listeners_are_on_loopback_only(embedded: EmbeddedBroker) -> None:
    config = json.loads((embedded.directory / "broker.conf").read_text())
    assert {config["host"], config["mqtt"]["host"], config["websocket"]["host"]} == {"127.0.0.1"}
    reader, writer = await asyncio.open_connection(embedded.host, embedded.websocket_port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 ")
    writer.close()
    await writer.wait_closed()


async def test_a_broker_is_adopted_after_podium_was_killed(tmp_path: Path) -> None:
    async with killed_podium(tmp_path) as pid:
        broker = EmbeddedBroker(tmp_path)
        await broker.start()
        assert broker.pid == pid
        bus = await as_podium(broker)
        back = await until_restored(bus)
        ports = (broker.nats_url, broker.mqtt_port, broker.websocket_port)
        os.kill(pid, signal.SIGKILL)  # no child of ours, and noticed all the same
        async with asyncio.timeout(30):
            await back.wait()
        assert broker.pid not in (None, pid)
        assert ports == (broker.nats_url, broker.mqtt_port, broker.websocket_port)
        await bus.close()
        await broker.stop()


async def test_a_broker_that_was_left_is_adopted(tmp_path: Path) -> None:
    first = EmbeddedBroker(tmp_path)
    await first.start()
    assert not first.adopted
    pid, account = first.pid, first.models
    first.detach()
    second = EmbeddedBroker(tmp_path)
    await second.start()
    assert second.adopted
    assert second.pid == pid
    assert second.models == account
    await second.stop()


async def test_rights_that_changed_reach_an_adopted_broker(tmp_path: Path) -> None:
    first = EmbeddedBroker(tmp_path)
    await first.start()
    first.detach()
    second = EmbeddedBroker(tmp_path, models_publish=["/answers/#"])
    await second.start()
    podium, heard = await as_podium(second), Heard()
    await podium.subscribe("/answers/+", heard)
    # The server takes its new configuration over on a signal, and says when only in its log.
    async with asyncio.timeout(30):
        while not heard.messages:
            model = await open_bus(second.nats_url, user=second.models.user, password=second.models.password)
            await model.publish("/answers/a", b"", qos=1)
            await model.close()
            await podium.publish("/elsewhere", b"", qos=1)
    assert heard.topics[0] == "/answers/a"
    await podium.close()
    await second.stop()


async def test_stop_ends_exactly_its_own_process(tmp_path: Path) -> None:
    other, broker = EmbeddedBroker(tmp_path / "other"), EmbeddedBroker(tmp_path / "broker")
    await other.start()
    await broker.start()
    pid = broker.pid
    assert pid
    await broker.stop()
    assert Process.of(pid) is None
    assert other.pid
    assert Process.of(other.pid)
    await other.stop()


async def test_a_stopped_podium_can_end_a_broker_it_never_started(tmp_path: Path) -> None:
    first = EmbeddedBroker(tmp_path)
    await first.start()
    pid = first.pid
    assert pid
    first.detach()
    await EmbeddedBroker(tmp_path).stop()
    assert Process.of(pid) is None
    assert not (tmp_path / "broker.pid").exists()


async def test_a_pid_that_is_now_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "broker.pid").write_text(json.dumps({"pid": os.getpid(), "started": 1, "boot": "x"}))
    broker = EmbeddedBroker(tmp_path)
    await broker.start()
    assert broker.pid != os.getpid()
    await broker.stop()


async def test_two_servers_never_share_a_directory(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    await broker.start()
    saved = (tmp_path / "broker.pid").read_text()
    (tmp_path / "broker.pid").unlink()
    with pytest.raises(Conflict):
        await EmbeddedBroker(tmp_path).start()
    (tmp_path / "broker.pid").write_text(saved)
    await broker.stop()


@pytest.mark.parametrize("noticed_by", ["Podium", "the server"])
async def test_ports_taken_while_it_was_down_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noticed_by: str
) -> None:
    if noticed_by == "the server":  # they are taken between our look and its
        monkeypatch.setattr(Ports, "hold", lambda _: ExitStack())
    broker = EmbeddedBroker(tmp_path)
    await broker.start()
    port = broker.mqtt_port
    await broker.stop()
    with socket.create_server(("127.0.0.1", port)):
        await broker.start()
        assert broker.mqtt_port != port
        await broker.stop()


async def test_ports_stay_over_an_orderly_restart(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    await broker.start()
    before = (broker.nats_url, broker.mqtt_url, broker.models)
    await broker.stop()
    with held(tmp_path):
        await broker.start()
    assert before == (broker.nats_url, broker.mqtt_url, broker.models)
    await broker.stop()


def taken_once_dead(broker: EmbeddedBroker) -> socket.socket:
    """A port of it, by the time that Podium hears of its death."""
    assert broker.pid
    kill(broker)
    os.waitid(os.P_PID, broker.pid, os.WEXITED | os.WNOWAIT)
    return socket.create_server(("127.0.0.1", broker.mqtt_port))


async def test_a_port_that_another_takes_while_it_starts_again_is_told(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    await broker.start()
    with taken_once_dead(broker):
        async with asyncio.timeout(30):
            await broker.broken.wait()
    assert broker.error
    assert "took a port of the embedded broker" in str(broker.error)
    await broker.stop()


def test_ports_that_are_held_are_given_to_nobody_else() -> None:
    """On a machine with 41 ports for all who take any: a namespace of its own, in which we may say so."""
    script = """if True:
        import contextlib, socket
        from podium.bus.broker_config import Ports
        ports = Ports.free()
        with ports.hold(), contextlib.ExitStack() as others:
            given = set()
            with contextlib.suppress(OSError):
                while True:
                    given.add(others.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1])
            assert len(given) > 30, given  # nearly all: the system does not try each
            assert not given & {ports.nats, ports.mqtt, ports.websocket}
            with socket.create_server(("127.0.0.1", ports.mqtt)):  # who asks for it is let in, as the broker is
                pass
    """
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare on this machine")
    namespace = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"]
    few = "ip link set lo up && echo 40000 40040 > /proc/sys/net/ipv4/ip_local_port_range"
    if subprocess.run([*namespace, few], capture_output=True, check=False).returncode:
        pytest.skip("this machine has no network namespaces for us")
    subprocess.run([*namespace, f'{few} && exec "$0" "$1" "$2"', sys.executable, "-c", script], check=True)


async def test_a_broker_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    now = 0.0
    broker = EmbeddedBroker(tmp_path, clock=lambda: now)
    await broker.start()
    bus = await as_podium(broker)
    back = await until_restored(bus)
    for _ in range(5):
        back.clear()
        kill(broker)
        async with asyncio.timeout(30):
            await back.wait()
    kill(broker)
    async with asyncio.timeout(30):
        await broker.broken.wait()
    assert isinstance(broker.error, Unavailable)
    assert "died 6 times in a minute" in str(broker.error)
    await bus.close()
    now = 61.0
    await broker.start()
    assert broker.pid
    await broker.stop()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "jetstream").write_text("a file where the directory should be")
    with pytest.raises(Unavailable, match=r"did not start .* It said: .*JetStream"):
        await EmbeddedBroker(tmp_path).start()


async def test_models_may_answer_and_send_data_but_give_no_orders(embedded: EmbeddedBroker) -> None:
    podium, heard = await as_podium(embedded), Heard()
    await podium.subscribe("#", heard)
    for url in (embedded.nats_url, embedded.mqtt_url):
        heard.messages.clear()
        model = await open_bus(url, user=embedded.models.user, password=embedded.models.password)
        allowed = [
            "/lifecycle/model/dots-so/s/m/CalculationsDone",
            "/lifecycle/model/mso/s/m/ReadyForProcessing",
            "/data/pv/model/s/e/power",
            "/log/model/dots-so/s/m",
            "/health/model/mso/s/m/Pong",
        ]
        denied = [
            "/lifecycle/dots-so/model/s/m/NewStep",
            "/lifecycle/dots-so/mso/s/DeployModels",
            "/lifecycle/mso/dots-so/s/ModelsReady",
            "/health/mso/dots-so/Pong",
            "anything",
        ]
        await model.publish_many([(topic, b"") for topic in [*denied, *allowed]])
        await heard.count(len(allowed))
        assert heard.topics == allowed
        await model.close()
    await podium.close()


@pytest.mark.parametrize("qos", [0, 1])
async def test_models_hear_what_is_for_models(embedded: EmbeddedBroker, qos: int) -> None:
    podium = await as_podium(embedded)
    for url in (embedded.nats_url, embedded.mqtt_url):
        model, heard = await open_bus(url, user=embedded.models.user, password=embedded.models.password), Heard()
        for pattern in (
            "/lifecycle/+/model/s/m/#",
            "/lifecycle/dots-so/models/s/NewStep",
            "/data/#",
            "/health/mso/model/#",
        ):
            await model.subscribe(pattern, heard, qos=qos)
        for topic in (
            "/lifecycle/dots-so/model/s/m/NewStep",
            "/lifecycle/dots-so/models/s/NewStep",
            "/data/a",
            "/health/mso/model/s/m/Ping",
        ):
            await podium.publish(topic, b"", qos=qos)
        await heard.count(4)
        for pattern in ("/lifecycle/#", "#", "/lifecycle/dots-so/mso/#"):
            with pytest.raises(NotAllowed):
                await model.subscribe(pattern, heard, qos=qos)
        await model.close()
    await podium.close()  # fmt: skip


async def test_models_cannot_read_what_the_broker_keeps(embedded: EmbeddedBroker) -> None:
    refused: list[str] = []
    all_refused = asyncio.Event()

    async def on_error(error: Exception) -> None:
        refused.append(str(error))
        if len(refused) == 3:
            all_refused.set()

    client = Client()
    await client.connect(
        embedded.nats_url,
        user=embedded.models.user,
        password=embedded.models.password,
        error_cb=on_error,
        connect_timeout=30,  # else a server that is held up is an error as well
    )
    inbox = client.new_inbox()
    await client.subscribe(inbox)
    await client.publish("$JS.API.STREAM.NAMES", b"", reply=inbox)
    await client.publish("$MQTT.msgs.x", b"")
    async with asyncio.timeout(30):
        await all_refused.wait()
    assert all("permissions violation" in each for each in refused)
    with pytest.raises(nats.errors.TimeoutError):
        await client.request("$JS.API.INFO", timeout=0.2)
    await client.close()


async def test_the_last_messages_of_each_topic_are_recalled_in_order(embedded: EmbeddedBroker) -> None:
    bus = await as_podium(embedded)
    assert isinstance(bus, RemembersLifecycle)
    model = await open_bus(embedded.mqtt_url, user=embedded.models.user, password=embedded.models.password)
    sent = []
    for step in range(6):
        for source, topic in (
            (bus, "/lifecycle/dots-so/model/s/m-1/NewStep"),
            (model, "/lifecycle/model/dots-so/s/m-1/CalculationsDone"),
        ):
            await source.publish(topic, b"%d" % step, qos=1)
            sent.append((topic, b"%d" % step))
    await bus.publish("/lifecycle/dots-so/model/s/m-1/ModelParameters", b"large", qos=1)
    recalled = [message async for message in bus.recall("/lifecycle/#")]
    assert [(message.topic, message.payload) for message in recalled] == sent[-8:]
    sequences = [message.sequence for message in recalled]
    assert sequences == sorted(set(sequences))
    answers = [message.payload async for message in bus.recall("/lifecycle/model/+/s/+/CalculationsDone")]
    assert answers == [b"2", b"3", b"4", b"5"]
    await bus.forget("/lifecycle/dots-so/model/s/#")
    assert {message.topic async for message in bus.recall("/lifecycle/#")} == {sent[1][0]}
    await bus.forget("/lifecycle/#")
    assert [message async for message in bus.recall("/lifecycle/#")] == []
    await model.close()
    await bus.close()


async def test_many_messages_are_recalled(embedded: EmbeddedBroker) -> None:
    bus = await as_podium(embedded)
    assert isinstance(bus, RemembersLifecycle)
    for step in range(4):
        await bus.publish_many([(f"/lifecycle/model/so/s/m-{n}/CalculationsDone", b"%d" % step) for n in range(1_500)])
    recalled = [message async for message in bus.recall("/lifecycle/model/so/s/#")]
    assert [message.payload for message in recalled] == [b"%d" % step for step in range(4) for _ in range(1_500)]
    await bus.close()


async def test_what_was_accepted_is_remembered_over_a_crash(embedded: EmbeddedBroker) -> None:
    bus = await as_podium(embedded)
    assert isinstance(bus, RemembersLifecycle)
    back = await until_restored(bus)
    await bus.publish("/lifecycle/mso/dots-so/s/ModelsReady", b"", qos=1)
    assert len([message async for message in bus.recall("/lifecycle/mso/#")]) == 1
    kill(embedded)
    async with asyncio.timeout(30):
        await back.wait()
    assert len([message async for message in bus.recall("/lifecycle/mso/#")]) == 1
    await bus.close()


async def test_a_broker_that_is_held_up_is_waited_for(embedded: EmbeddedBroker) -> None:
    bus, heard = await as_podium(embedded), Heard()
    with halted(embedded):
        waiting = [
            asyncio.create_task(as_podium(embedded)),
            asyncio.create_task(bus.subscribe("/edge/+", heard, qos=1, durable="edge")),
        ]
        await asyncio.wait(waiting, timeout=6)  # longer than nats-py by itself waits for a request
    opened = await waiting[0]
    await waiting[1]
    assert isinstance(opened, RemembersLifecycle)
    await opened.publish("/edge/a", b"", qos=1)
    await heard.count(1)
    await opened.close()
    await bus.close()


async def test_what_a_broker_that_dies_was_asked_for_is_not_waited_for(embedded: EmbeddedBroker) -> None:
    bus = await as_podium(embedded)
    with halted(embedded):
        waiting = asyncio.create_task(bus.subscribe("/edge/+", Heard(), qos=1, durable="edge"))
        await asyncio.wait([waiting], timeout=0.1)
        kill(embedded)
    with pytest.raises(Unavailable, match="connection to the broker was lost"):
        async with asyncio.timeout(25):  # less than the answer is waited for
            await waiting
    await bus.close()


async def test_who_may_not_use_the_memory_does_without_at_once(embedded: EmbeddedBroker) -> None:
    models = embedded.models
    async with asyncio.timeout(25):  # less than the answer is waited for
        bus = await open_bus(embedded.nats_url, user=models.user, password=models.password, remember=["/lifecycle/#"])
    assert not isinstance(bus, RemembersLifecycle)
    assert bus.connected
    await bus.close()


async def test_who_may_not_hear_the_memory_answer_does_without_at_once(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, models_publish=["$JS/API/#"])
    await broker.start()
    async with asyncio.timeout(25):  # less than the answer is waited for
        models = broker.models
        bus = await open_bus(broker.nats_url, user=models.user, password=models.password, remember=["/lifecycle/#"])
    assert not isinstance(bus, RemembersLifecycle)
    await bus.close()
    await broker.stop()


async def test_a_memory_is_not_asked_over_a_lost_link(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    await broker.start()
    bus = await as_podium(broker)
    assert isinstance(bus, RemembersLifecycle)
    lost = asyncio.Event()
    bus.on_lost(lost.set)
    await broker.stop()
    async with asyncio.timeout(25):  # less than the answer is waited for
        await lost.wait()
        with pytest.raises(Unavailable, match="lost"):
            await bus.forget("/lifecycle/#")
        with pytest.raises(Unavailable, match="lost"):
            [message async for message in bus.recall("/lifecycle/#")]
    await bus.close()


async def test_two_simulators_add_to_one_memory(tmp_path: Path) -> None:
    first = EmbeddedBroker(tmp_path, simulators=["one"])
    await first.start()
    first.detach()
    second = EmbeddedBroker(tmp_path, simulators=["two"])
    await second.start()
    bus = await as_podium(second)
    assert isinstance(bus, RemembersLifecycle)
    for name in ("one", "two", "three"):
        await bus.publish(f"/lifecycle/{name}/mso/s/DeployModels", b"", qos=1)
    topics = [message.topic async for message in bus.recall("/lifecycle/+/mso/#")]
    assert topics == ["/lifecycle/one/mso/s/DeployModels", "/lifecycle/two/mso/s/DeployModels"]
    await bus.close()
    await second.stop()


async def test_a_retained_message_meets_who_comes_later(embedded: EmbeddedBroker) -> None:
    account = embedded.credentials
    early = await open_bus(embedded.mqtt_url, user=account.user, password=account.password)
    heard = Heard()
    await early.publish("/status", b"on", qos=1, retain=True)
    late = await open_bus(embedded.mqtt_url, user=account.user, password=account.password)
    await late.subscribe("/status", heard, qos=1)
    await heard.count(1)
    assert heard.payloads == [b"on"]
    assert heard.messages[0].retained
    await early.close()
    await late.close()


async def test_a_crash_is_logged_with_the_last_lines(embedded: EmbeddedBroker) -> None:
    bus = await as_podium(embedded)
    back = await until_restored(bus)
    with structlog.testing.capture_logs() as logged:
        kill(embedded)
        async with asyncio.timeout(30):
            await back.wait()
    died = next(each for each in logged if each["event"] == "broker.died")
    assert died["exit_code"] == -signal.SIGKILL
    assert any("Server is ready" in line for line in died["last_lines"])
    await bus.close()
