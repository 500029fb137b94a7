from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateEntityRequest(_message.Message):
    __slots__ = ("priority",)
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    priority: int
    def __init__(self, priority: _Optional[int] = ...) -> None: ...

class CreateEntityResponse(_message.Message):
    __slots__ = ("success", "eid")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    EID_FIELD_NUMBER: _ClassVar[int]
    success: bool
    eid: int
    def __init__(self, success: _Optional[bool] = ..., eid: _Optional[int] = ...) -> None: ...

class LoadModelRequest(_message.Message):
    __slots__ = ("model_path", "model_profile_path", "eid", "frequency")
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_PROFILE_PATH_FIELD_NUMBER: _ClassVar[int]
    EID_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    model_path: str
    model_profile_path: str
    eid: int
    frequency: str
    def __init__(self, model_path: _Optional[str] = ..., model_profile_path: _Optional[str] = ..., eid: _Optional[int] = ..., frequency: _Optional[str] = ...) -> None: ...

class LoadModelResponse(_message.Message):
    __slots__ = ("success", "mid")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    MID_FIELD_NUMBER: _ClassVar[int]
    success: bool
    mid: int
    def __init__(self, success: _Optional[bool] = ..., mid: _Optional[int] = ...) -> None: ...

class SetEntityPriorityRequest(_message.Message):
    __slots__ = ("eid", "priority")
    EID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    eid: int
    priority: int
    def __init__(self, eid: _Optional[int] = ..., priority: _Optional[int] = ...) -> None: ...

class SetEntityPriorityResponse(_message.Message):
    __slots__ = ("success",)
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    success: bool
    def __init__(self, success: _Optional[bool] = ...) -> None: ...

class InferRequest(_message.Message):
    __slots__ = ("mid", "inputs")
    MID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    mid: int
    inputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, mid: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class InferResponse(_message.Message):
    __slots__ = ("success", "tid", "outputs")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    TID_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    success: bool
    tid: int
    outputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    def __init__(self, success: _Optional[bool] = ..., tid: _Optional[int] = ..., outputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ("name", "dtype", "shape", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class RemoveEntityRequest(_message.Message):
    __slots__ = ("eid",)
    EID_FIELD_NUMBER: _ClassVar[int]
    eid: int
    def __init__(self, eid: _Optional[int] = ...) -> None: ...

class RemoveEntityResponse(_message.Message):
    __slots__ = ("success",)
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    success: bool
    def __init__(self, success: _Optional[bool] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelUsage]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelUsage, _Mapping]]] = ...) -> None: ...

class ModelUsage(_message.Message):
    __slots__ = ("mid", "eid", "network", "frequency", "finished", "time_us", "energy_uj")
    MID_FIELD_NUMBER: _ClassVar[int]
    EID_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    ENERGY_UJ_FIELD_NUMBER: _ClassVar[int]
    mid: int
    eid: int
    network: str
    frequency: str
    finished: int
    time_us: int
    energy_uj: int
    def __init__(self, mid: _Optional[int] = ..., eid: _Optional[int] = ..., network: _Optional[str] = ..., frequency: _Optional[str] = ..., finished: _Optional[int] = ..., time_us: _Optional[int] = ..., energy_uj: _Optional[int] = ...) -> None: ...
