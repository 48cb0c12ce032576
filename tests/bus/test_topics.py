"""Topics and subjects: what is refused, and that the mapping is nats-server's own."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.bus import open_bus
from podium.bus.embedded import EmbeddedBroker
from podium.bus.lifecycle import remembered
from podium.bus.subjects import apart, covers, overlap
from podium.bus.topics import check_pattern, check_topic, matches, subject_of, subjects_of, topic_of
from podium.errors import DocumentRefused, SettingsError
from tests.bus.conftest import Heard

letters = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="+#")
carried = st.text(st.sampled_from("/./.ab$-") | letters, min_size=1, max_size=40).filter(
    lambda topic: not topic.startswith("$") and not {"*", ">"} & set(topic.split("/"))
)
words = st.sampled_from(["a", "b", "*"])
subjects = st.builds(
    lambda tokens, rest: ".".join([*tokens, *rest]),
    st.lists(words, min_size=1, max_size=4),
    st.sampled_from([[], [">"]]),
)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("/lifecycle/dots-so/mso/s/DeployModels", "/.lifecycle.dots-so.mso.s.DeployModels"),
        ("a", "a"),
        ("/", "/./"),
        ("//", "/././"),
        ("a/", "a./"),
        ("a//b", "a./.b"),
        ("a.b/c", "a//b.c"),
        (".", "//"),
    ],
)
def test_subject_of_a_topic(topic: str, subject: str) -> None:
    assert subject_of(topic) == subject
    assert topic_of(subject) == topic


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/+/c", ("a.*.c",)),
        ("a/#", ("a", "a.>")),
        ("/lifecycle/+/dots-so/#", ("/.lifecycle.*.dots-so", "/.lifecycle.*.dots-so.>")),
        ("#", (">",)),
        ("+", ("*",)),
        ("v1.0/+", ("v1//0.*",)),
    ],
)
def test_subjects_of_a_filter(pattern: str, expected: tuple[str, ...]) -> None:
    assert subjects_of(pattern) == expected


@given(carried)
def test_a_topic_survives_the_way_to_a_subject_and_back(topic: str) -> None:
    assert topic_of(subject_of(topic)) == topic


@pytest.mark.parametrize("topic", ["", "a b", "a\nb", "\x7f", "a\x85", "￿", "a/+/b", "#", "a/>", "*", "$JS/API/INFO"])
def test_refused_topics(topic: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        check_topic(topic)
    assert refused.value.problem


@pytest.mark.parametrize("pattern", ["a/#/b", "a+/b", "a/b#", "##", "a b/#", ""])
def test_refused_filters(pattern: str) -> None:
    with pytest.raises(DocumentRefused):
        check_pattern(pattern)


def test_length_is_counted_in_bytes() -> None:
    check_topic("ß" * 32_767)
    with pytest.raises(DocumentRefused, match="longer than 65535 bytes"):
        check_topic("ß" * 32_768)


async def test_the_mapping_is_that_of_the_server(embedded: EmbeddedBroker) -> None:
    """Each topic published on one side comes out as itself on the other, both ways."""
    generated = [topic for size in (1, 2, 3, 4) for topic in _topics_of_length(size)]
    user, password = embedded.credentials.user, embedded.credentials.password
    nats = await open_bus(embedded.nats_url, user=user, password=password)
    mqtt = await open_bus(embedded.mqtt_url, user=user, password=password)
    on_nats, on_mqtt = Heard(), Heard()
    await nats.subscribe("#", on_nats)
    await mqtt.subscribe("#", on_mqtt)
    for source in (nats, mqtt):
        for heard in (on_nats, on_mqtt):
            heard.messages.clear()
        await source.publish_many([(topic, topic.encode()) for topic in generated])
        for heard in (on_nats, on_mqtt):
            await heard.count(len(generated))
            assert heard.topics == generated
            assert heard.payloads == [topic.encode() for topic in generated]
    await nats.close()
    await mqtt.close()


def _topics_of_length(size: int) -> list[str]:
    topics = [""]
    for _ in range(size):
        topics = [topic + letter for topic in topics for letter in "/.aß"]
    return topics


@pytest.mark.parametrize(
    ("pattern", "topic", "hit"),
    [
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("+", "/a", False),
        ("/+", "/a", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
    ],
)
def test_matches(pattern: str, topic: str, hit: bool) -> None:
    assert matches(pattern, topic) is hit


@given(st.lists(subjects, min_size=1, max_size=5), st.lists(st.sampled_from("ab"), min_size=1, max_size=5))
def test_subjects_set_apart_still_cover_everything(wanted: list[str], tokens: list[str]) -> None:
    kept = apart(wanted)
    assert not any(overlap(one, other) for one in kept for other in kept if one != other)
    subject = ".".join(tokens)
    if any(covers(each, subject) for each in wanted):
        assert any(covers(each, subject) for each in kept)


@given(subjects, subjects)
def test_what_covers_overlaps(one: str, other: str) -> None:
    if covers(one, other):
        assert overlap(one, other)
    assert covers(one, one)
    assert overlap(one, other) == overlap(other, one)


def test_what_is_remembered_can_stand_in_one_stream() -> None:
    kept = [subject for pattern in remembered(["dots-so", "other"]) for subject in subjects_of(pattern)]
    assert apart(kept) == sorted(kept)
    assert not any(covers(each, subject_of("/lifecycle/dots-so/model/s/m/ModelParameters")) for each in kept)


@pytest.mark.parametrize("name", ["model", "mso", "", "a/b", "+"])
def test_a_simulator_cannot_be_called_so(name: str) -> None:
    with pytest.raises(SettingsError):
        remembered([name])


def test_letters_of_names_are_carried() -> None:
    check_topic(string.ascii_letters + string.digits + "-_.:;,!?@$%&()[]{}=~^'|")
