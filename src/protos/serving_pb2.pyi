from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DETECTION: _ClassVar[Task]
    CLASSIFICATION: _ClassVar[Task]

class Fit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STRETCH: _ClassVar[Fit]
    LETTERBOX: _ClassVar[Fit]
    LETTERBOX_TOP_LEFT: _ClassVar[Fit]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    ANSWERED: _ClassVar[Verdict]
    DROPPED: _ClassVar[Verdict]

class Place(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLACE_UNSPECIFIED: _ClassVar[Place]
    ENDPOINT: _ClassVar[Place]
    EXECUTOR: _ClassVar[Place]
DETECTION: Task
CLASSIFICATION: Task
STRETCH: Fit
LETTERBOX: Fit
LETTERBOX_TOP_LEFT: Fit
VERDICT_UNSPECIFIED: Verdict
ANSWERED: Verdict
DROPPED: Verdict
PLACE_UNSPECIFIED: Place
ENDPOINT: Place
EXECUTOR: Place

class LinkEstimate(_message.Message):
    __slots__ = ("bandwidth_kbps", "wire_ms")
    BANDWIDTH_KBPS_FIELD_NUMBER: _ClassVar[int]
    WIRE_MS_FIELD_NUMBER: _ClassVar[int]
    bandwidth_kbps: float
    wire_ms: float
    def __init__(self, bandwidth_kbps: _Optional[float] = ..., wire_ms: _Optional[float] = ...) -> None: ...

class RegisterRequest(_message.Message):
    __slots__ = ("stream_id", "fps", "slo_ms", "link", "zoo", "options", "older_session")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FPS_FIELD_NUMBER: _ClassVar[int]
    SLO_MS_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    ZOO_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    OLDER_SESSION_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    fps: float
    slo_ms: float
    link: LinkEstimate
    zoo: str
    options: AnswerOptions
    older_session: str
    def __init__(self, stream_id: _Optional[str] = ..., fps: _Optional[float] = ..., slo_ms: _Optional[float] = ..., link: _Optional[_Union[LinkEstimate, _Mapping]] = ..., zoo: _Optional[str] = ..., options: _Optional[_Union[AnswerOptions, _Mapping]] = ..., older_session: _Optional[str] = ...) -> None: ...

class AnswerOptions(_message.Message):
    __slots__ = ("min_score", "classes", "max_boxes")
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    MAX_BOXES_FIELD_NUMBER: _ClassVar[int]
    min_score: float
    classes: _containers.RepeatedScalarFieldContainer[str]
    max_boxes: int
    def __init__(self, min_score: _Optional[float] = ..., classes: _Optional[_Iterable[str]] = ..., max_boxes: _Optional[int] = ...) -> None: ...

class RegisterReply(_message.Message):
    __slots__ = ("session", "zoo", "advised_side_px", "plan_epoch", "served_side_px")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ZOO_FIELD_NUMBER: _ClassVar[int]
    ADVISED_SIDE_PX_FIELD_NUMBER: _ClassVar[int]
    PLAN_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SERVED_SIDE_PX_FIELD_NUMBER: _ClassVar[int]
    session: str
    zoo: Zoo
    advised_side_px: int
    plan_epoch: int
    served_side_px: int
    def __init__(self, session: _Optional[str] = ..., zoo: _Optional[_Union[Zoo, _Mapping]] = ..., advised_side_px: _Optional[int] = ..., plan_epoch: _Optional[int] = ..., served_side_px: _Optional[int] = ...) -> None: ...

class Zoo(_message.Message):
    __slots__ = ("name", "class_names", "sizes", "qualities", "fit", "task")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAMES_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    QUALITIES_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    name: str
    class_names: _containers.RepeatedScalarFieldContainer[str]
    sizes: _containers.RepeatedCompositeFieldContainer[InputSize]
    qualities: _containers.RepeatedCompositeFieldContainer[JpegQuality]
    fit: Fit
    task: Task
    def __init__(self, name: _Optional[str] = ..., class_names: _Optional[_Iterable[str]] = ..., sizes: _Optional[_Iterable[_Union[InputSize, _Mapping]]] = ..., qualities: _Optional[_Iterable[_Union[JpegQuality, _Mapping]]] = ..., fit: _Optional[_Union[Fit, str]] = ..., task: _Optional[_Union[Task, str]] = ...) -> None: ...

class InputSize(_message.Message):
    __slots__ = ("side_px", "frame_kbits", "accuracy")
    SIDE_PX_FIELD_NUMBER: _ClassVar[int]
    FRAME_KBITS_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    side_px: int
    frame_kbits: float
    accuracy: float
    def __init__(self, side_px: _Optional[int] = ..., frame_kbits: _Optional[float] = ..., accuracy: _Optional[float] = ...) -> None: ...

class JpegQuality(_message.Message):
    __slots__ = ("quality", "accuracy_ratio", "size_ratio")
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_RATIO_FIELD_NUMBER: _ClassVar[int]
    SIZE_RATIO_FIELD_NUMBER: _ClassVar[int]
    quality: int
    accuracy_ratio: float
    size_ratio: float
    def __init__(self, quality: _Optional[int] = ..., accuracy_ratio: _Optional[float] = ..., size_ratio: _Optional[float] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("reason", "detail", "counter_offers", "retry_after_ms")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Refusal.Reason]
        INFEASIBLE: _ClassVar[Refusal.Reason]
        OVERLOAD: _ClassVar[Refusal.Reason]
        SESSION_LIMIT: _ClassVar[Refusal.Reason]
        NOT_READY: _ClassVar[Refusal.Reason]
        QUOTA: _ClassVar[Refusal.Reason]
        NAME_TAKEN: _ClassVar[Refusal.Reason]
    REASON_UNSPECIFIED: Refusal.Reason
    INFEASIBLE: Refusal.Reason
    OVERLOAD: Refusal.Reason
    SESSION_LIMIT: Refusal.Reason
    NOT_READY: Refusal.Reason
    QUOTA: Refusal.Reason
    NAME_TAKEN: Refusal.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    COUNTER_OFFERS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    reason: Refusal.Reason
    detail: str
    counter_offers: _containers.RepeatedCompositeFieldContainer[CounterOffer]
    retry_after_ms: float
    def __init__(self, reason: _Optional[_Union[Refusal.Reason, str]] = ..., detail: _Optional[str] = ..., counter_offers: _Optional[_Iterable[_Union[CounterOffer, _Mapping]]] = ..., retry_after_ms: _Optional[float] = ...) -> None: ...

class CounterOffer(_message.Message):
    __slots__ = ("fps", "slo_ms")
    FPS_FIELD_NUMBER: _ClassVar[int]
    SLO_MS_FIELD_NUMBER: _ClassVar[int]
    fps: float
    slo_ms: float
    def __init__(self, fps: _Optional[float] = ..., slo_ms: _Optional[float] = ...) -> None: ...

class ClientMessage(_message.Message):
    __slots__ = ("open", "frame", "goodbye")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    open: Open
    frame: Frame
    goodbye: Goodbye
    def __init__(self, open: _Optional[_Union[Open, _Mapping]] = ..., frame: _Optional[_Union[Frame, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ...) -> None: ...

class Open(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("sequence", "age_ms", "width_px", "height_px", "jpeg_bytes", "jpeg_crc32c", "jpeg", "link")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_PX_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    JPEG_BYTES_FIELD_NUMBER: _ClassVar[int]
    JPEG_CRC32C_FIELD_NUMBER: _ClassVar[int]
    JPEG_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    age_ms: float
    width_px: int
    height_px: int
    jpeg_bytes: int
    jpeg_crc32c: int
    jpeg: bytes
    link: LinkEstimate
    def __init__(self, sequence: _Optional[int] = ..., age_ms: _Optional[float] = ..., width_px: _Optional[int] = ..., height_px: _Optional[int] = ..., jpeg_bytes: _Optional[int] = ..., jpeg_crc32c: _Optional[int] = ..., jpeg: _Optional[bytes] = ..., link: _Optional[_Union[LinkEstimate, _Mapping]] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("acks", "results", "notice")
    ACKS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    acks: _containers.RepeatedCompositeFieldContainer[Ack]
    results: _containers.RepeatedCompositeFieldContainer[Result]
    notice: Notice
    def __init__(self, acks: _Optional[_Iterable[_Union[Ack, _Mapping]]] = ..., results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ..., notice: _Optional[_Union[Notice, _Mapping]] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("sequence", "held_ms")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HELD_MS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    held_ms: float
    def __init__(self, sequence: _Optional[int] = ..., held_ms: _Optional[float] = ...) -> None: ...

class Drop(_message.Message):
    __slots__ = ("place", "reason", "code", "detail")
    PLACE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    place: Place
    reason: str
    code: str
    detail: str
    def __init__(self, place: _Optional[_Union[Place, str]] = ..., reason: _Optional[str] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Detections(_message.Message):
    __slots__ = ("boxes", "scores", "class_ids")
    BOXES_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    CLASS_IDS_FIELD_NUMBER: _ClassVar[int]
    boxes: _containers.RepeatedScalarFieldContainer[float]
    scores: _containers.RepeatedScalarFieldContainer[float]
    class_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, boxes: _Optional[_Iterable[float]] = ..., scores: _Optional[_Iterable[float]] = ..., class_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class Labels(_message.Message):
    __slots__ = ("class_ids", "scores")
    CLASS_IDS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    class_ids: _containers.RepeatedScalarFieldContainer[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, class_ids: _Optional[_Iterable[int]] = ..., scores: _Optional[_Iterable[float]] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("endpoint_ms", "queue_ms", "decode_ms", "inference_ms", "server_ms", "energy_mj")
    ENDPOINT_MS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    DECODE_MS_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_MS_FIELD_NUMBER: _ClassVar[int]
    SERVER_MS_FIELD_NUMBER: _ClassVar[int]
    ENERGY_MJ_FIELD_NUMBER: _ClassVar[int]
    endpoint_ms: float
    queue_ms: float
    decode_ms: float
    inference_ms: float
    server_ms: float
    energy_mj: float
    def __init__(self, endpoint_ms: _Optional[float] = ..., queue_ms: _Optional[float] = ..., decode_ms: _Optional[float] = ..., inference_ms: _Optional[float] = ..., server_ms: _Optional[float] = ..., energy_mj: _Optional[float] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("sequence", "verdict", "drop", "detections", "labels", "variant", "batch_size", "timings", "advised_side_px", "plan_epoch", "served_side_px")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    DETECTIONS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    ADVISED_SIDE_PX_FIELD_NUMBER: _ClassVar[int]
    PLAN_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SERVED_SIDE_PX_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    verdict: Verdict
    drop: Drop
    detections: Detections
    labels: Labels
    variant: str
    batch_size: int
    timings: Timings
    advised_side_px: int
    plan_epoch: int
    served_side_px: int
    def __init__(self, sequence: _Optional[int] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., drop: _Optional[_Union[Drop, _Mapping]] = ..., detections: _Optional[_Union[Detections, _Mapping]] = ..., labels: _Optional[_Union[Labels, _Mapping]] = ..., variant: _Optional[str] = ..., batch_size: _Optional[int] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., advised_side_px: _Optional[int] = ..., plan_epoch: _Optional[int] = ..., served_side_px: _Optional[int] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("kind", "detail")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Notice.Kind]
        DRAINING: _ClassVar[Notice.Kind]
        BAD_MESSAGE: _ClassVar[Notice.Kind]
    KIND_UNSPECIFIED: Notice.Kind
    DRAINING: Notice.Kind
    BAD_MESSAGE: Notice.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    kind: Notice.Kind
    detail: str
    def __init__(self, kind: _Optional[_Union[Notice.Kind, str]] = ..., detail: _Optional[str] = ...) -> None: ...
