from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TerminationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUCCESSFULL: _ClassVar[TerminationStatus]
    FAILED: _ClassVar[TerminationStatus]

class HealthStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEALTHY: _ClassVar[HealthStatus]
    UNHEALTHY: _ClassVar[HealthStatus]

class UnhealthyModelStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOPROGRESS: _ClassVar[UnhealthyModelStatus]
SUCCESSFULL: TerminationStatus
FAILED: TerminationStatus
HEALTHY: HealthStatus
UNHEALTHY: HealthStatus
NOPROGRESS: UnhealthyModelStatus

class EnvironmentVariable(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ModelConfiguration(_message.Message):
    __slots__ = ("modelID", "imageUrl", "environmentVariables")
    MODELID_FIELD_NUMBER: _ClassVar[int]
    IMAGEURL_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENTVARIABLES_FIELD_NUMBER: _ClassVar[int]
    modelID: str
    imageUrl: str
    environmentVariables: _containers.RepeatedCompositeFieldContainer[EnvironmentVariable]
    def __init__(self, modelID: _Optional[str] = ..., imageUrl: _Optional[str] = ..., environmentVariables: _Optional[_Iterable[_Union[EnvironmentVariable, _Mapping]]] = ...) -> None: ...

class DeployModels(_message.Message):
    __slots__ = ("simulatorId", "modelConfigurations", "keepLogsHours")
    SIMULATORID_FIELD_NUMBER: _ClassVar[int]
    MODELCONFIGURATIONS_FIELD_NUMBER: _ClassVar[int]
    KEEPLOGSHOURS_FIELD_NUMBER: _ClassVar[int]
    simulatorId: str
    modelConfigurations: _containers.RepeatedCompositeFieldContainer[ModelConfiguration]
    keepLogsHours: float
    def __init__(self, simulatorId: _Optional[str] = ..., modelConfigurations: _Optional[_Iterable[_Union[ModelConfiguration, _Mapping]]] = ..., keepLogsHours: _Optional[float] = ...) -> None: ...

class ReadyForProcessing(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelsReady(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelParameters(_message.Message):
    __slots__ = ("parameters_dict",)
    PARAMETERS_DICT_FIELD_NUMBER: _ClassVar[int]
    parameters_dict: str
    def __init__(self, parameters_dict: _Optional[str] = ...) -> None: ...

class Calculation(_message.Message):
    __slots__ = ("name", "period_seconds", "offset_seconds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERIOD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    period_seconds: int
    offset_seconds: int
    def __init__(self, name: _Optional[str] = ..., period_seconds: _Optional[int] = ..., offset_seconds: _Optional[int] = ...) -> None: ...

class Parameterized(_message.Message):
    __slots__ = ("protocol_version", "calculations", "units")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CALCULATIONS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    calculations: _containers.RepeatedCompositeFieldContainer[Calculation]
    units: _containers.RepeatedCompositeFieldContainer[Unit]
    def __init__(self, protocol_version: _Optional[int] = ..., calculations: _Optional[_Iterable[_Union[Calculation, _Mapping]]] = ..., units: _Optional[_Iterable[_Union[Unit, _Mapping]]] = ...) -> None: ...

class Unit(_message.Message):
    __slots__ = ("measurement", "field", "unit")
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    measurement: str
    field: str
    unit: str
    def __init__(self, measurement: _Optional[str] = ..., field: _Optional[str] = ..., unit: _Optional[str] = ...) -> None: ...

class NewStep(_message.Message):
    __slots__ = ("parameters_dict",)
    PARAMETERS_DICT_FIELD_NUMBER: _ClassVar[int]
    parameters_dict: str
    def __init__(self, parameters_dict: _Optional[str] = ...) -> None: ...

class CalculationsDone(_message.Message):
    __slots__ = ("time_step_nr",)
    TIME_STEP_NR_FIELD_NUMBER: _ClassVar[int]
    time_step_nr: int
    def __init__(self, time_step_nr: _Optional[int] = ...) -> None: ...

class StillWaiting(_message.Message):
    __slots__ = ("time_step_nr", "models")
    TIME_STEP_NR_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    time_step_nr: int
    models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, time_step_nr: _Optional[int] = ..., models: _Optional[_Iterable[str]] = ...) -> None: ...

class ErrorOccurred(_message.Message):
    __slots__ = ("error_message",)
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    error_message: str
    def __init__(self, error_message: _Optional[str] = ...) -> None: ...

class SimulationDone(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ModelHasTerminated(_message.Message):
    __slots__ = ("status", "exitCode", "reason", "last_lines")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXITCODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LAST_LINES_FIELD_NUMBER: _ClassVar[int]
    status: TerminationStatus
    exitCode: int
    reason: str
    last_lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, status: _Optional[_Union[TerminationStatus, str]] = ..., exitCode: _Optional[int] = ..., reason: _Optional[str] = ..., last_lines: _Optional[_Iterable[str]] = ...) -> None: ...

class AllModelsHaveTerminated(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveModels(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PingHealthSOToMSO(_message.Message):
    __slots__ = ("healthy", "reasons", "activeSimulations")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ACTIVESIMULATIONS_FIELD_NUMBER: _ClassVar[int]
    healthy: HealthStatus
    reasons: _containers.RepeatedScalarFieldContainer[str]
    activeSimulations: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, healthy: _Optional[_Union[HealthStatus, str]] = ..., reasons: _Optional[_Iterable[str]] = ..., activeSimulations: _Optional[_Iterable[str]] = ...) -> None: ...

class PongHealthMSOToSO(_message.Message):
    __slots__ = ("healthy", "reasons")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    healthy: HealthStatus
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, healthy: _Optional[_Union[HealthStatus, str]] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class PingHealthMSOToModel(_message.Message):
    __slots__ = ("healthy", "reasons")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    healthy: HealthStatus
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, healthy: _Optional[_Union[HealthStatus, str]] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class PongHealthModelToMSO(_message.Message):
    __slots__ = ("healthy", "reasons", "numberOfBids", "numberOfAllocations")
    HEALTHY_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    NUMBEROFBIDS_FIELD_NUMBER: _ClassVar[int]
    NUMBEROFALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    healthy: HealthStatus
    reasons: _containers.RepeatedScalarFieldContainer[str]
    numberOfBids: int
    numberOfAllocations: int
    def __init__(self, healthy: _Optional[_Union[HealthStatus, str]] = ..., reasons: _Optional[_Iterable[str]] = ..., numberOfBids: _Optional[int] = ..., numberOfAllocations: _Optional[int] = ...) -> None: ...

class UnhealthyModel(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: UnhealthyModelStatus
    def __init__(self, status: _Optional[_Union[UnhealthyModelStatus, str]] = ...) -> None: ...
