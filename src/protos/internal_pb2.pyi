from moonjelly.protos import serving_pb2 as _serving_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Envelope(_message.Message):
    __slots__ = ("attach", "ready", "drain", "child_status", "heartbeat", "reread", "join", "snapshot", "leave", "join_reply", "superseded", "plan", "frame", "cancel", "results", "executor_status", "device_announced", "clock_asked", "clock_reached", "energy_read")
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    CHILD_STATUS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    REREAD_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    JOIN_REPLY_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_STATUS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ANNOUNCED_FIELD_NUMBER: _ClassVar[int]
    CLOCK_ASKED_FIELD_NUMBER: _ClassVar[int]
    CLOCK_REACHED_FIELD_NUMBER: _ClassVar[int]
    ENERGY_READ_FIELD_NUMBER: _ClassVar[int]
    attach: Attach
    ready: Ready
    drain: Drain
    child_status: ChildStatus
    heartbeat: Heartbeat
    reread: Reread
    join: Join
    snapshot: Snapshot
    leave: Leave
    join_reply: JoinReply
    superseded: Superseded
    plan: PlanUpdate
    frame: FrameDescriptor
    cancel: Cancel
    results: FrameResults
    executor_status: ExecutorStatus
    device_announced: DeviceAnnounced
    clock_asked: ClockAsked
    clock_reached: ClockReached
    energy_read: EnergyRead
    def __init__(self, attach: _Optional[_Union[Attach, _Mapping]] = ..., ready: _Optional[_Union[Ready, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., child_status: _Optional[_Union[ChildStatus, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., reread: _Optional[_Union[Reread, _Mapping]] = ..., join: _Optional[_Union[Join, _Mapping]] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping]] = ..., leave: _Optional[_Union[Leave, _Mapping]] = ..., join_reply: _Optional[_Union[JoinReply, _Mapping]] = ..., superseded: _Optional[_Union[Superseded, _Mapping]] = ..., plan: _Optional[_Union[PlanUpdate, _Mapping]] = ..., frame: _Optional[_Union[FrameDescriptor, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., results: _Optional[_Union[FrameResults, _Mapping]] = ..., executor_status: _Optional[_Union[ExecutorStatus, _Mapping]] = ..., device_announced: _Optional[_Union[DeviceAnnounced, _Mapping]] = ..., clock_asked: _Optional[_Union[ClockAsked, _Mapping]] = ..., clock_reached: _Optional[_Union[ClockReached, _Mapping]] = ..., energy_read: _Optional[_Union[EnergyRead, _Mapping]] = ...) -> None: ...

class Attach(_message.Message):
    __slots__ = ("what", "peer")
    class What(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WHAT_UNSPECIFIED: _ClassVar[Attach.What]
        SOCKET: _ClassVar[Attach.What]
        FRAME_MEMORY: _ClassVar[Attach.What]
        BENCH: _ClassVar[Attach.What]
    WHAT_UNSPECIFIED: Attach.What
    SOCKET: Attach.What
    FRAME_MEMORY: Attach.What
    BENCH: Attach.What
    WHAT_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    what: Attach.What
    peer: str
    def __init__(self, what: _Optional[_Union[Attach.What, str]] = ..., peer: _Optional[str] = ...) -> None: ...

class Ready(_message.Message):
    __slots__ = ("port",)
    PORT_FIELD_NUMBER: _ClassVar[int]
    port: int
    def __init__(self, port: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("grace_ms",)
    GRACE_MS_FIELD_NUMBER: _ClassVar[int]
    grace_ms: float
    def __init__(self, grace_ms: _Optional[float] = ...) -> None: ...

class ChildStatus(_message.Message):
    __slots__ = ("peer", "is_alive", "detail", "is_crash")
    PEER_FIELD_NUMBER: _ClassVar[int]
    IS_ALIVE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    IS_CRASH_FIELD_NUMBER: _ClassVar[int]
    peer: str
    is_alive: bool
    detail: str
    is_crash: bool
    def __init__(self, peer: _Optional[str] = ..., is_alive: _Optional[bool] = ..., detail: _Optional[str] = ..., is_crash: _Optional[bool] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Reread(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamState(_message.Message):
    __slots__ = ("stream_id", "fps", "slo_ms", "bandwidth_kbps", "wire_ms", "response_kbits", "frame_size_ratio", "decode_ms", "is_unopened", "proof")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FPS_FIELD_NUMBER: _ClassVar[int]
    SLO_MS_FIELD_NUMBER: _ClassVar[int]
    BANDWIDTH_KBPS_FIELD_NUMBER: _ClassVar[int]
    WIRE_MS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_KBITS_FIELD_NUMBER: _ClassVar[int]
    FRAME_SIZE_RATIO_FIELD_NUMBER: _ClassVar[int]
    DECODE_MS_FIELD_NUMBER: _ClassVar[int]
    IS_UNOPENED_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    fps: float
    slo_ms: float
    bandwidth_kbps: float
    wire_ms: float
    response_kbits: float
    frame_size_ratio: float
    decode_ms: float
    is_unopened: bool
    proof: int
    def __init__(self, stream_id: _Optional[str] = ..., fps: _Optional[float] = ..., slo_ms: _Optional[float] = ..., bandwidth_kbps: _Optional[float] = ..., wire_ms: _Optional[float] = ..., response_kbits: _Optional[float] = ..., frame_size_ratio: _Optional[float] = ..., decode_ms: _Optional[float] = ..., is_unopened: _Optional[bool] = ..., proof: _Optional[int] = ...) -> None: ...

class Join(_message.Message):
    __slots__ = ("request", "stream", "older_proof")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    OLDER_PROOF_FIELD_NUMBER: _ClassVar[int]
    request: int
    stream: StreamState
    older_proof: int
    def __init__(self, request: _Optional[int] = ..., stream: _Optional[_Union[StreamState, _Mapping]] = ..., older_proof: _Optional[int] = ...) -> None: ...

class JoinReply(_message.Message):
    __slots__ = ("request", "is_accepted", "refusal", "plan_epoch")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    IS_ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    PLAN_EPOCH_FIELD_NUMBER: _ClassVar[int]
    request: int
    is_accepted: bool
    refusal: _serving_pb2.Refusal
    plan_epoch: int
    def __init__(self, request: _Optional[int] = ..., is_accepted: _Optional[bool] = ..., refusal: _Optional[_Union[_serving_pb2.Refusal, _Mapping]] = ..., plan_epoch: _Optional[int] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ("request", "stream_id")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    request: int
    stream_id: str
    def __init__(self, request: _Optional[int] = ..., stream_id: _Optional[str] = ...) -> None: ...

class Superseded(_message.Message):
    __slots__ = ("stream_id",)
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    def __init__(self, stream_id: _Optional[str] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("streams", "overhead_ms", "is_urgent", "has_more", "plan_epoch", "silent_devices")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    OVERHEAD_MS_FIELD_NUMBER: _ClassVar[int]
    IS_URGENT_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    PLAN_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SILENT_DEVICES_FIELD_NUMBER: _ClassVar[int]
    streams: _containers.RepeatedCompositeFieldContainer[StreamState]
    overhead_ms: float
    is_urgent: bool
    has_more: bool
    plan_epoch: int
    silent_devices: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, streams: _Optional[_Iterable[_Union[StreamState, _Mapping]]] = ..., overhead_ms: _Optional[float] = ..., is_urgent: _Optional[bool] = ..., has_more: _Optional[bool] = ..., plan_epoch: _Optional[int] = ..., silent_devices: _Optional[_Iterable[str]] = ...) -> None: ...

class DevicePlan(_message.Message):
    __slots__ = ("device_id", "variant", "batch_size", "arrival_fps", "clock_mhz", "clock_ratio")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_FPS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_MHZ_FIELD_NUMBER: _ClassVar[int]
    CLOCK_RATIO_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    variant: str
    batch_size: int
    arrival_fps: float
    clock_mhz: float
    clock_ratio: float
    def __init__(self, device_id: _Optional[str] = ..., variant: _Optional[str] = ..., batch_size: _Optional[int] = ..., arrival_fps: _Optional[float] = ..., clock_mhz: _Optional[float] = ..., clock_ratio: _Optional[float] = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("stream_id", "device_id", "is_preempted")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    IS_PREEMPTED_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    device_id: str
    is_preempted: bool
    def __init__(self, stream_id: _Optional[str] = ..., device_id: _Optional[str] = ..., is_preempted: _Optional[bool] = ...) -> None: ...

class PlanUpdate(_message.Message):
    __slots__ = ("epoch", "devices", "placements", "has_more")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    devices: _containers.RepeatedCompositeFieldContainer[DevicePlan]
    placements: _containers.RepeatedCompositeFieldContainer[Placement]
    has_more: bool
    def __init__(self, epoch: _Optional[int] = ..., devices: _Optional[_Iterable[_Union[DevicePlan, _Mapping]]] = ..., placements: _Optional[_Iterable[_Union[Placement, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class FrameDescriptor(_message.Message):
    __slots__ = ("ticket", "slot", "slot_generation", "jpeg_bytes", "deadline_ms", "handed_ms", "is_alone", "tenant")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    SLOT_GENERATION_FIELD_NUMBER: _ClassVar[int]
    JPEG_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    HANDED_MS_FIELD_NUMBER: _ClassVar[int]
    IS_ALONE_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ticket: int
    slot: int
    slot_generation: int
    jpeg_bytes: int
    deadline_ms: float
    handed_ms: float
    is_alone: bool
    tenant: str
    def __init__(self, ticket: _Optional[int] = ..., slot: _Optional[int] = ..., slot_generation: _Optional[int] = ..., jpeg_bytes: _Optional[int] = ..., deadline_ms: _Optional[float] = ..., handed_ms: _Optional[float] = ..., is_alone: _Optional[bool] = ..., tenant: _Optional[str] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("tickets",)
    TICKETS_FIELD_NUMBER: _ClassVar[int]
    tickets: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, tickets: _Optional[_Iterable[int]] = ...) -> None: ...

class FrameResult(_message.Message):
    __slots__ = ("ticket", "detections", "labels", "drop_reason", "drop_code", "drop_detail", "queue_ms", "decode_ms")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    DETECTIONS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DROP_REASON_FIELD_NUMBER: _ClassVar[int]
    DROP_CODE_FIELD_NUMBER: _ClassVar[int]
    DROP_DETAIL_FIELD_NUMBER: _ClassVar[int]
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    DECODE_MS_FIELD_NUMBER: _ClassVar[int]
    ticket: int
    detections: _serving_pb2.Detections
    labels: _serving_pb2.Labels
    drop_reason: str
    drop_code: str
    drop_detail: str
    queue_ms: float
    decode_ms: float
    def __init__(self, ticket: _Optional[int] = ..., detections: _Optional[_Union[_serving_pb2.Detections, _Mapping]] = ..., labels: _Optional[_Union[_serving_pb2.Labels, _Mapping]] = ..., drop_reason: _Optional[str] = ..., drop_code: _Optional[str] = ..., drop_detail: _Optional[str] = ..., queue_ms: _Optional[float] = ..., decode_ms: _Optional[float] = ...) -> None: ...

class FrameResults(_message.Message):
    __slots__ = ("frames", "variant", "inference_ms", "plan_epoch", "batch_size", "frame_mj")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    INFERENCE_MS_FIELD_NUMBER: _ClassVar[int]
    PLAN_EPOCH_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    FRAME_MJ_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[FrameResult]
    variant: str
    inference_ms: float
    plan_epoch: int
    batch_size: int
    frame_mj: float
    def __init__(self, frames: _Optional[_Iterable[_Union[FrameResult, _Mapping]]] = ..., variant: _Optional[str] = ..., inference_ms: _Optional[float] = ..., plan_epoch: _Optional[int] = ..., batch_size: _Optional[int] = ..., frame_mj: _Optional[float] = ...) -> None: ...

class ExecutorStatus(_message.Message):
    __slots__ = ("device_id", "slowdown_ratio", "broken_variants", "spread_ratio", "extra_ms")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    SLOWDOWN_RATIO_FIELD_NUMBER: _ClassVar[int]
    BROKEN_VARIANTS_FIELD_NUMBER: _ClassVar[int]
    SPREAD_RATIO_FIELD_NUMBER: _ClassVar[int]
    EXTRA_MS_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    slowdown_ratio: float
    broken_variants: _containers.RepeatedScalarFieldContainer[str]
    spread_ratio: float
    extra_ms: float
    def __init__(self, device_id: _Optional[str] = ..., slowdown_ratio: _Optional[float] = ..., broken_variants: _Optional[_Iterable[str]] = ..., spread_ratio: _Optional[float] = ..., extra_ms: _Optional[float] = ...) -> None: ...

class VariantLatency(_message.Message):
    __slots__ = ("variant", "p50_ms", "p99_ms")
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    P50_MS_FIELD_NUMBER: _ClassVar[int]
    P99_MS_FIELD_NUMBER: _ClassVar[int]
    variant: str
    p50_ms: _containers.RepeatedScalarFieldContainer[float]
    p99_ms: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, variant: _Optional[str] = ..., p50_ms: _Optional[_Iterable[float]] = ..., p99_ms: _Optional[_Iterable[float]] = ...) -> None: ...

class DeviceAnnounced(_message.Message):
    __slots__ = ("device_id", "device_type", "generation", "reach_ms", "is_leaving", "latencies", "has_more")
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    DEVICE_TYPE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REACH_MS_FIELD_NUMBER: _ClassVar[int]
    IS_LEAVING_FIELD_NUMBER: _ClassVar[int]
    LATENCIES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    device_type: str
    generation: int
    reach_ms: float
    is_leaving: bool
    latencies: _containers.RepeatedCompositeFieldContainer[VariantLatency]
    has_more: bool
    def __init__(self, device_id: _Optional[str] = ..., device_type: _Optional[str] = ..., generation: _Optional[int] = ..., reach_ms: _Optional[float] = ..., is_leaving: _Optional[bool] = ..., latencies: _Optional[_Iterable[_Union[VariantLatency, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class ClockAsked(_message.Message):
    __slots__ = ("mhz",)
    MHZ_FIELD_NUMBER: _ClassVar[int]
    mhz: float
    def __init__(self, mhz: _Optional[float] = ...) -> None: ...

class ClockReached(_message.Message):
    __slots__ = ("mhz", "problem")
    MHZ_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    mhz: float
    problem: str
    def __init__(self, mhz: _Optional[float] = ..., problem: _Optional[str] = ...) -> None: ...

class EnergyRead(_message.Message):
    __slots__ = ("at_ms", "total_mj", "quality", "problem", "meter", "scope")
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MJ_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    at_ms: float
    total_mj: float
    quality: str
    problem: str
    meter: str
    scope: str
    def __init__(self, at_ms: _Optional[float] = ..., total_mj: _Optional[float] = ..., quality: _Optional[str] = ..., problem: _Optional[str] = ..., meter: _Optional[str] = ..., scope: _Optional[str] = ...) -> None: ...
