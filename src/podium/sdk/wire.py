"""Data as bytes: how services tell each other values."""

from __future__ import annotations

from struct import unpack

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from podium.sdk.context import Value
from podium.sdk.data_pb2 import Data
from podium.sdk.model import Datum

_LENGTH_DELIMITED = 2
_DOUBLE_BYTES = 8


def encode(datum: Datum, *, numbered: bool) -> bytes:
    message = Data(origin_esdl_id=datum.esdl_id)
    if isinstance(datum.value, tuple):
        message.values.extend(datum.value)
    elif datum.value is not None:
        message.value = datum.value
    if numbered:
        message.time_step_nr = datum.step
    return message.SerializeToString(deterministic=True)


def decode(topic: str, payload: bytes) -> Datum:
    """Raises: ValueError, when the topic or the payload is not one of data."""
    levels = topic.split("/")
    if len(levels) != 7 or levels[1] != "data":
        raise ValueError(f"{topic} is no topic of data")
    try:
        message = Data.FromString(payload)
    except DecodeError as error:
        raise ValueError(f"data on {topic} cannot be read: {error}") from None
    service, esdl_id, output = levels[2], levels[5], levels[6]
    if message.origin_esdl_id != esdl_id:
        raise ValueError(f"data on {topic} says it is from '{message.origin_esdl_id}'")
    return Datum(service, esdl_id, output, message.time_step_nr, _value(message))


def _value(message: Data) -> Value | None:
    if message.HasField("value"):
        return message.value
    if message.values:
        return tuple(message.values)
    return _foreign(message)


def _foreign(message: Data) -> Value | None:
    """The value of a service of another make: a packed list of doubles in field 2; one item is a plain value."""
    for unknown in UnknownFieldSet(message):  # type: ignore[attr-defined]  # the stubs lack its __iter__
        if unknown.field_number == 2 and unknown.wire_type == _LENGTH_DELIMITED:
            count, rest = divmod(len(unknown.data), _DOUBLE_BYTES)
            if count and not rest:
                values: tuple[float, ...] = unpack(f"<{count}d", unknown.data)
                return values[0] if count == 1 else values
    return None
