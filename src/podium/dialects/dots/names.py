"""The names of a simulation and its models: what brokers and clusters can carry, and how ids are made.

An id is a level of a topic, part of a pod's name and a label, so the strictest of them decides.
"""

from __future__ import annotations

import re
import secrets
import unicodedata

POD_NAME_LENGTH = 63
SIMULATION_NAME_LENGTH = 20
SHORTEST_SIMULATION_NAME = 4
HEX_DIGITS = 8
UNNAMED = "run"  # instead of a name without any letter or digit that can be kept

_SPECIAL = frozenset("+#/*>$")  # levels and wildcards of MQTT and NATS
_SERVICE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")


def uncarried(text: str) -> str:
    """The characters of `text` that a broker cannot carry in a topic, for people to read; empty if it can."""
    bad = dict.fromkeys(
        character
        for character in text
        if character in _SPECIAL or character.isspace() or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn"}
    )
    return " ".join("a space" if character == " " else ascii(character)[1:-1] for character in bad)


def is_service_name(text: str) -> bool:
    """Whether a pod can be named after it: Latin letters, digits, `_` and `-`."""
    return _SERVICE.fullmatch(text) is not None


def model_id(service: str, number: int) -> str:
    return f"{service.replace('_', '-')}-{number}"


def pod_name_length(simulator: str, simulation: int, model: str) -> int:
    """How long `<simulator>-<simulation>-<model>` is, for a simulation id of that length."""
    return len(simulator) + 1 + simulation + 1 + len(model)


def longest_model_id(simulator: str) -> int:
    """How long a model's id may be, so that a pod's name still has room for some of the simulation's name."""
    return POD_NAME_LENGTH - pod_name_length(simulator, SHORTEST_SIMULATION_NAME + 1 + HEX_DIGITS, "")


def simulation_id(name: str, simulator: str, longest_model: int) -> str:
    """The id of a new simulation: its name in lower case, spaces as `-`, cut to 20 characters, `-`, 8 hex digits.

    It begins with a letter or a digit, so that no command takes it for an option and a cluster takes it as a label.
    It is cut shorter where `<simulator>-<simulation>-<model>` would become too long for a pod's name with the longest
    model id.
    """
    room = POD_NAME_LENGTH - pod_name_length(simulator, 1 + HEX_DIGITS, "") - longest_model
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    kept = re.sub(r"[^a-z0-9-]", "-", plain.lower()).strip("-")[: min(SIMULATION_NAME_LENGTH, room)]
    return f"{kept or UNNAMED[:room]}-{secrets.token_hex(HEX_DIGITS // 2)}"
