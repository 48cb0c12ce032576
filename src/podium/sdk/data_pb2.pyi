from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Data(_message.Message):
    __slots__ = ("origin_esdl_id", "value", "values", "time_step_nr")
    ORIGIN_ESDL_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TIME_STEP_NR_FIELD_NUMBER: _ClassVar[int]
    origin_esdl_id: str
    value: float
    values: _containers.RepeatedScalarFieldContainer[float]
    time_step_nr: int
    def __init__(self, origin_esdl_id: _Optional[str] = ..., value: _Optional[float] = ..., values: _Optional[_Iterable[float]] = ..., time_step_nr: _Optional[int] = ...) -> None: ...
