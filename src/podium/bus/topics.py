"""Topics in MQTT syntax, and the NATS subjects that nats-server maps them to.

Podium speaks MQTT topics everywhere; on a NATS link the same topics must come out as the subjects that nats-server's
own MQTT listener makes of them, or models on one side would not hear models on the other. Level by level: an empty
level is the token `/`, a `.` inside a level is `//`, `+` is `*` and `#` is `>`.

Topics come from documents (names, ids), so one that not every broker can carry is refused for all of them: a document
that runs on one broker runs on the next.
"""

from __future__ import annotations

import re
from functools import lru_cache

from podium.errors import DocumentRefused

MAX_BYTES = 65_535
# The same few topics come round with each step; working one out again costs more than sending on it.
_REMEMBERED = 65_536
# White space and control characters break NATS's protocol lines; the rest MQTT itself forbids in a UTF-8 string.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_EMPTY = "/"
_DOT = "//"


@lru_cache(maxsize=_REMEMBERED)
def check_topic(topic: str) -> None:
    """Raises: DocumentRefused, when `topic` cannot be published to on every broker."""
    _check(topic, "topic")
    if topic.startswith("$"):
        raise DocumentRefused(
            "topics that begin with $ are the broker's own", where=f"topic {topic!r}", hint="Use another name"
        )
    if "+" in topic or "#" in topic:
        raise DocumentRefused(
            "a topic to publish to has no wildcard", where=f"topic {topic!r}", hint="Leave out + and #"
        )


def check_pattern(pattern: str) -> None:
    """Raises: DocumentRefused, when `pattern` is no filter that every broker understands."""
    _check(pattern, "topic filter")
    *parents, last = pattern.split("/")
    if any("#" in level or ("+" in level and level != "+") for level in parents) or (
        len(last) > 1 and ("#" in last or "+" in last)
    ):
        raise DocumentRefused(
            "a wildcard stands for whole levels",
            where=f"topic filter {pattern!r}",
            hint="Use + as a level of its own, and # as the last level only",
        )


@lru_cache(maxsize=_REMEMBERED)
def subject_of(topic: str) -> str:
    """The NATS subject of a topic. Raises: DocumentRefused."""
    check_topic(topic)
    return ".".join(_token(level) for level in topic.split("/"))


def subjects_of(pattern: str) -> tuple[str, ...]:
    """The NATS subjects of a filter: two when it ends in `#` (`a/#` matches `a`, too). Raises: DocumentRefused."""
    check_pattern(pattern)
    *parents, last = (_token(level) for level in pattern.replace("+", "*").split("/"))
    if last != "#":
        return (".".join([*parents, last]),)
    # `#` and `/#`: NATS has no subject without a token, so there is no parent to add.
    below = ".".join([*parents, ">"])
    return (".".join(parents), below) if parents else (below,)


@lru_cache(maxsize=_REMEMBERED)
def topic_of(subject: str) -> str:
    """The topic of a NATS subject; the inverse of `subject_of`."""
    return "/".join("" if token == _EMPTY else token.replace(_DOT, ".") for token in subject.split("."))


def matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT broker hands a message on `topic` to a subscription of `pattern`."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index == len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def _token(level: str) -> str:
    return level.replace(".", _DOT) if level else _EMPTY


def _check(text: str, kind: str) -> None:
    if not text:
        raise DocumentRefused(f"a {kind} may not be empty")
    if bad := _FORBIDDEN.search(text):
        raise DocumentRefused(
            f"a {kind} may not hold {bad.group()!r}",
            where=f"{kind} {text!r}",
            hint="Use letters, digits, - and _ in names and ids: brokers cannot carry spaces and control characters",
        )
    if any(level in ("*", ">") for level in text.split("/")):
        raise DocumentRefused(
            f"a level of a {kind} may not be * or >", where=f"{kind} {text!r}", hint="NATS takes them for wildcards"
        )
    if len(text.encode()) > MAX_BYTES:
        raise DocumentRefused(f"a {kind} may not be longer than {MAX_BYTES} bytes", where=f"{kind} {text[:40]!r}...")
