"""What every bus must do, on each broker it can speak to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from podium.bus import open_bus
from podium.bus.port import Bus
from podium.errors import DocumentRefused, Unavailable
from tests.bus.conftest import Heard, Place

Restored = Callable[[Bus], asyncio.Event]


async def test_messages_come_in_order(place: Place) -> None:
    bus, heard = await place.open(), Heard()
    await bus.subscribe("/order/#", heard)
    await bus.publish_many([(f"/order/{number % 7}", str(number).encode()) for number in range(2_000)])
    await heard.count(2_000)
    assert heard.payloads == [str(number).encode() for number in range(2_000)]


async def test_messages_come_in_order_at_qos_1(place: Place) -> None:
    bus, heard = await place.open(), Heard()
    await bus.subscribe("/order/#", heard, qos=1)
    await bus.publish_many([(f"/order/{number % 7}", str(number).encode()) for number in range(300)], qos=1)
    await heard.count(300)
    assert heard.payloads == [str(number).encode() for number in range(300)]


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("/lifecycle/+/so/#", ["/lifecycle/model/so/s/m/Parameterized", "/lifecycle/mso/so"], ["/lifecycle/so"]),
        ("a/#", ["a", "a/b", "a/b/c", "a/"], ["ab", "/a"]),
        ("a/+/c", ["a/b/c", "a//c"], ["a/c", "a/b/c/d"]),
        ("+/+", ["/x", "x/", "x/y"], ["x", "x/y/z"]),
        ("a/b", ["a/b"], ["a/b/", "a/B"]),
    ],
)  # fmt: skip
async def test_wildcards(place: Place, pattern: str, hits: list[str], misses: list[str]) -> None:
    bus, heard = await place.open(), Heard()
    end = Heard()
    await bus.subscribe(pattern, heard)
    await bus.subscribe("the/end/of/it", end)
    await bus.publish_many([(topic, b"") for topic in [*misses, *hits]])
    await heard.count(len(hits))
    await bus.publish("the/end/of/it", b"")
    await end.count(1)
    assert heard.topics == hits


async def test_dots_and_unicode_in_topics(place: Place) -> None:
    bus, heard = await place.open(), Heard()
    topics = ["/v1.2/a..b/.", "./x.", "größe/日本/🌞", "a-b_c/$x", "x//y///z/"]
    await bus.subscribe("#", heard)
    await bus.publish_many([(topic, topic.encode()) for topic in topics])
    await heard.count(len(topics))
    assert heard.topics == topics
    assert heard.payloads == [topic.encode() for topic in topics]


async def test_overlapping_subscriptions_each_hear_a_message_once(place: Place) -> None:
    bus = await place.open()
    wide, narrow, twin, end = Heard(), Heard(), Heard(), Heard()
    for pattern, handler in (("/a/#", wide), ("/a/+/c", narrow), ("/a/+/c", twin), ("/end", end)):
        await bus.subscribe(pattern, handler)
    await bus.publish("/a/b/c", b"1")
    for each in (wide, narrow, twin):
        await each.count(1)
    await bus.publish("/end", b"")
    await end.count(1)
    assert [each.payloads for each in (wide, narrow, twin)] == [[b"1"]] * 3


@pytest.mark.parametrize("qos", [0, 1])
async def test_large_payloads(place: Place, qos: int) -> None:
    bus, heard = await place.open(), Heard()
    payload = bytes(range(256)) * (5 << 12)
    await bus.subscribe("/large", heard, qos=qos)
    await bus.publish("/large", payload, qos=qos)
    await heard.count(1)
    assert heard.payloads == [payload]


async def test_one_faulty_handler_harms_no_other(place: Place) -> None:
    bus, heard = await place.open(), Heard()

    def faulty(_message: object) -> None:
        raise ValueError("a fault")

    await bus.subscribe("/faulty", faulty)
    await bus.subscribe("/sound", heard)
    await bus.publish("/faulty", b"")
    await bus.publish("/sound", b"")
    await heard.count(1)
    assert bus.connected


async def test_a_closed_subscription_hears_no_more(place: Place) -> None:
    bus, closed, other = await place.open(), Heard(), Heard()
    subscription = await bus.subscribe("/größe/a", closed)
    await bus.subscribe("/größe/b", other)
    await subscription.close()
    await bus.publish("/größe/a", b"")
    await bus.publish("/größe/b", b"")
    await other.count(1)
    assert closed.messages == []


async def test_at_most_so_many_messages_are_in_flight(place: Place) -> None:
    bus, heard, end = await place.open(), Heard(ack=False), Heard()
    await bus.subscribe("/work/#", heard, qos=1, max_in_flight=3)
    await bus.subscribe("/end", end)
    await bus.publish_many([(f"/work/{number}", str(number).encode()) for number in range(10)], qos=1)
    await heard.count(3)
    await bus.publish("/end", b"", qos=1)
    await end.count(1)
    assert len(heard.messages) == 3
    for number in range(10):
        await heard.count(number + 1)
        assert len(heard.messages) <= number + 3
        heard.messages[number].ack()
    assert heard.payloads == [str(number).encode() for number in range(10)]


async def test_a_durable_subscription_bounds_what_is_in_flight(place: Place) -> None:
    bus, heard = await place.open(), Heard(ack=False)
    await bus.subscribe("/work/#", heard, qos=1, durable="worker", max_in_flight=3)
    publisher = await place.open()
    await publisher.publish_many([(f"/work/{number}", str(number).encode()) for number in range(10)], qos=1)
    for number in range(10):
        await heard.count(number + 1)
        assert len(heard.messages) <= number + 3
        heard.messages[number].ack()
    assert sorted(heard.payloads) == [str(number).encode() for number in range(10)]


async def test_a_durable_subscription_gets_what_came_while_away(place: Place) -> None:
    first, heard = await place.open(), Heard()
    await first.subscribe("/edge/+", heard, qos=1, durable="edge")
    publisher = await place.open()
    await publisher.publish("/edge/a", b"1", qos=1)
    await heard.count(1)
    await first.close()
    await place.sees_left()
    await publisher.publish_many([("/edge/a", b"2"), ("/edge/b", b"3")], qos=1)
    second = await place.open()
    await second.subscribe("/edge/+", heard, qos=1, durable="edge")
    await heard.count(3)
    assert heard.payloads == [b"1", b"2", b"3"]


# nats-server delivers again to an MQTT session only when its ack_wait is over, which is long for good reason.
redelivers_at_once = pytest.mark.parametrize("place", ["nats", "mosquitto"], indirect=True)


@redelivers_at_once
async def test_what_was_not_acknowledged_comes_again(place: Place) -> None:
    first, before = await place.open(), Heard(ack=False)
    await first.subscribe("/edge/+", before, qos=1, durable="edge")
    publisher = await place.open()
    await publisher.publish_many([("/edge/a", b"1"), ("/edge/a", b"2"), ("/edge/b", b"3")], qos=1)
    await before.count(3)
    before.messages[0].ack()
    await first.publish("/elsewhere", b"", qos=1)  # behind the acknowledgement
    await first.close()
    await place.sees_left(unacknowledged=2)
    second, after = await place.open(), Heard()
    await second.subscribe("/edge/+", after, qos=1, durable="edge")
    await after.count(2)
    assert after.payloads == [b"2", b"3"]


@redelivers_at_once
async def test_what_was_not_acknowledged_comes_again_after_a_restart_of_the_broker(
    place: Place, restored: Restored
) -> None:
    bus, heard = await place.open(), Heard(ack=False)
    back = restored(bus)
    await bus.subscribe("/edge/+", heard, qos=1, durable="edge")
    await bus.publish_many([("/edge/a", b"1"), ("/edge/a", b"2")], qos=1)
    await heard.count(2)
    await place.restart()
    await back.wait()
    await heard.count(4)
    assert heard.payloads == [b"1", b"2", b"1", b"2"]


async def test_a_killed_broker_comes_back_and_all_goes_on(place: Place, restored: Restored) -> None:
    bus, heard, other = await place.open(), Heard(), Heard()
    back, lost = restored(bus), asyncio.Event()
    bus.on_lost(lost.set)
    await bus.subscribe("/a/#", heard)
    await bus.subscribe("/b/+", other, qos=1)
    for round_ in range(3):
        back.clear()
        lost.clear()
        await place.crash()
        await back.wait()
        assert lost.is_set()
        assert bus.connected
        await bus.publish("/a/x", b"%d" % round_)
        await bus.publish("/b/x", b"%d" % round_, qos=1)
        await heard.count(round_ + 1)
        await other.count(round_ + 1)
    assert heard.payloads == other.payloads == [b"0", b"1", b"2"]


async def test_publishing_on_a_lost_link_says_so(place: Place, restored: Restored) -> None:
    bus = await place.open()
    back = restored(bus)
    failed = 0

    async def publish() -> None:
        nonlocal failed
        while not back.is_set():
            try:
                await bus.publish("/a", b"x" * 1_000, qos=1)
            except Unavailable:
                failed += 1
                await asyncio.sleep(0)

    publishing = asyncio.create_task(publish())
    await place.crash()
    await back.wait()
    await publishing
    assert failed
    await bus.publish("/a", b"", qos=1)


async def test_a_bus_can_be_closed_while_the_broker_is_away(place: Place) -> None:
    bus = await place.open()
    await bus.subscribe("/a", Heard())
    await bus.subscribe("/b", Heard(), qos=1, durable="b")
    await place.end()
    await bus.close()
    assert not bus.connected
    with pytest.raises(Unavailable):
        await bus.publish("/a", b"")


async def test_subscribing_and_publishing_on_a_lost_link_are_refused(place: Place) -> None:
    bus = await place.open()
    await place.end()
    with pytest.raises(Unavailable):
        await bus.publish("/a", b"", qos=1)
    with pytest.raises(Unavailable):
        await bus.subscribe("/a", Heard())
    with pytest.raises(Unavailable):
        await bus.publish("/a", b"")


@pytest.mark.parametrize("topic", ["a b", "a\x00b", "a\tb", "a/+", "a/#", "", "x" * 65_536, "a/*", "a/>", "\ud800"])
async def test_a_topic_that_no_broker_carries_is_refused(place: Place, topic: str) -> None:
    bus, heard = await place.open(), Heard()
    await bus.subscribe("/after", heard)
    with pytest.raises(DocumentRefused):
        await bus.publish(topic, b"")
    await bus.publish("/after", b"")
    await heard.count(1)


async def test_a_wrong_password_is_refused_and_not_told(place: Place) -> None:
    for user, password in ((place.user, "wrong-secret"), ("nobody", "wrong-secret")):
        with pytest.raises(Unavailable, match="refuses the user name or password") as refused:
            await place.open(user=user, password=password)
        assert "wrong-secret" not in str(refused.value)


async def test_a_broker_that_is_not_there() -> None:
    for scheme in ("mqtt", "nats"):
        with socket.socket() as silent:  # bound, so that nobody else is given the port, and not listened on
            silent.bind(("127.0.0.1", 0))
            with pytest.raises(Unavailable, match="does not answer"):
                await open_bus(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")


async def test_nagle_is_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from asyncio import selector_events

    made: list[socket.socket] = []
    original = selector_events._SelectorTransport.__init__

    def remember(self: object, loop: object, sock: socket.socket, *args: object, **kwargs: object) -> None:
        made.append(sock)
        original(self, loop, sock, *args, **kwargs)

    monkeypatch.setattr(selector_events._SelectorTransport, "__init__", remember)
    await place.open()
    connected = [sock for sock in made if sock.fileno() >= 0]
    assert connected
    assert all(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for sock in connected)
