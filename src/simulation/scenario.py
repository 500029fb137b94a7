"""What is to be simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from ..adapting.estimators import DEFAULT_ESTIMATOR, check_estimator
from ..adapting.policies.registry import DEFAULT_POLICY, policy
from ..adapting.policies.rungs import DEFAULT_LADDER
from ..core.checks import echo, require_id, require_not_negative, require_positive
from ..core.device import Device
from ..core.limits import BANDWIDTH_KBPS, FPS, SIZE_RATIO, SLO_MS, WIRE_MS, Range
from ..core.mode import ModeTable, PowerTable
from ..core.options import check_ranges, option, required
from ..core.profile import LatencyProfile
from ..core.quality import JpegQuality
from ..core.stream import DEFAULT_TENANT, StreamKey
from ..core.variant import Variant
from ..devices.replay import ALWAYS_AS_PROFILED, SlowdownScript
from ..files.document import ReadBy
from ..links.traces import LinkTrace
from ..scheduling.serving_options import ServingOptions
from ..scheduling.sharing.entitlements import Entitlements, check_floors
from .absences import Absences
from .oracle import ORACLE
from .recorded_sizes import RecordedSizes

MAX_SECONDS = 1e6
MOMENT_S = Range(0, MAX_SECONDS)
DEFAULT_WIRE_MS = 1.0


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


class Sampling(StrEnum):
    """How long a batch takes."""

    LOG_NORMAL = "log-normal"  # with the profile's median and 99th percentile
    REPLAYED = "replayed"  # as by the replayed executor: the median, and the p99 now and then


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions:
    """What a scenario says of a camera and its client.

    Attributes:
        fps: frame rate.
        slo_ms: bound on capture to answer.
        tenant: whose stream it is.
        greed_ratio: frames that it sends for each one that it declared.
        join_s: when it may register.
        phase_s: how long after that it does; None for a random moment of its first frame period.
        leave_s: when it captures no more; None for the end of the run.
        first_kbps: its client's first guess of the link's rate.
        frame_size_ratio: mean encoded size over what the zoo says.
        frame_size_spread: standard deviation of the logarithm of the size.
        encode_ms: what resizing and encoding take its client, whatever the side.
        encode_mpx_ms: what they take besides, for each million pixels of the frame.
        encode_slowdown: how much longer both take over time.
        jitter_p50_ms: median of the random delay of a frame before it is sent, and of frames, acks and
            answers on their way, log-normal; 0 for none. Likewise jitter_p99_ms.
        policy: how its frames adapt to the link; `oracle` knows it ahead.
        ladder: of the policy `ladder`: what it may give up, in its order.
        estimator: how it estimates the rate of its uplink.
    """

    fps: float = required(FPS)
    slo_ms: float = required(SLO_MS)
    tenant: str = DEFAULT_TENANT
    greed_ratio: float = option(1.0, limits=Range(0.01, 1000))
    join_s: float = option(0.0, limits=MOMENT_S)
    phase_s: float | None = option(None, limits=MOMENT_S)
    leave_s: float | None = None
    first_kbps: float = option(10_000.0, limits=BANDWIDTH_KBPS)
    frame_size_ratio: float = option(1.0, limits=SIZE_RATIO)
    frame_size_spread: float = option(0.0, limits=Range(0, 2))
    encode_ms: float = option(2.0, limits=Range(0, 10_000))
    encode_mpx_ms: float = option(0.0, limits=Range(0, 10_000))
    encode_slowdown: Annotated[SlowdownScript, ReadBy(SlowdownScript.parse, str)] = (
        ALWAYS_AS_PROFILED
    )
    jitter_p50_ms: float = 0.0
    jitter_p99_ms: float = option(0.0, limits=Range(0, 10_000))
    policy: str = DEFAULT_POLICY
    ladder: Annotated[tuple[str, ...], ReadBy(_names, str)] = DEFAULT_LADDER
    estimator: str = DEFAULT_ESTIMATOR

    def __post_init__(self) -> None:
        check_ranges(self)
        require_id("tenant", self.tenant)
        if self.leave_s is not None and not self.leave_s > self.join_s:
            raise ValueError(f"leave_s={self.leave_s:g}: must be after join_s={self.join_s:g}")
        require_not_negative("jitter_p50_ms", self.jitter_p50_ms, self.jitter_p99_ms)
        policy(DEFAULT_POLICY if self.policy == ORACLE else self.policy, self.ladder)
        check_estimator(self.estimator)

    def making_ms(self, side_px: int, at_ms: float) -> float:
        """What resizing and encoding a frame takes its client at a time."""
        making_ms = self.encode_ms + self.encode_mpx_ms * side_px * side_px / 1e6
        return making_ms * self.encode_slowdown.factor(at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStream(CameraOptions):
    """One camera and its link.

    Attributes:
        stream_id: unique.
        link: rate of the uplink over time.
        link_text: the same in words.
        wire_ms: one-way delay, both ways.
        first_frame_s: when it captures its first frame, if it is admitted by then; None for at once.
        frame_sizes: of its source's frames, in place of frame_size_ratio and frame_size_spread.
    """

    stream_id: str
    link: LinkTrace
    link_text: str = ""
    wire_ms: float = option(DEFAULT_WIRE_MS, limits=WIRE_MS)
    first_frame_s: float | None = option(None, limits=MOMENT_S)
    frame_sizes: RecordedSizes | None = None

    def __post_init__(self) -> None:
        require_id("stream_id", self.stream_id)
        CameraOptions.__post_init__(self)

    @property
    def sent_fps(self) -> float:
        """Frames a second that it captures."""
        return self.fps * self.greed_ratio

    @property
    def key(self) -> StreamKey:
        """Its name at the server."""
        return StreamKey(self.tenant, self.stream_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamKind:
    """Streams that are alike but for when they join and where in its trace their link begins.

    Attributes:
        name: of the kind; streams are called `name-0`, `name-1` and so on, or `name` if it is one.
        count: how many there are.
        first: number 0 of them.
        offset_step: values of the trace between the links of two of them.
        join_step_s: time between two joins.
        link_name: name of the trace, with its scale; empty if the rate is constant.
    """

    name: str
    count: int
    first: SimulatedStream
    offset_step: int = 0
    join_step_s: float = 0.0
    link_name: str = ""

    def streams(self) -> tuple[SimulatedStream, ...]:
        """All of them."""
        return tuple(
            self.stream(number, self.name if self.count == 1 else f"{self.name}-{number}")
            for number in range(self.count)
        )

    def stream(self, number: int, stream_id: str) -> SimulatedStream:
        """Stream `number` of this kind, which may be beyond `count`."""
        trace = replace(self.first.link, offset=self.first.link.offset + number * self.offset_step)
        return replace(
            self.first,
            stream_id=stream_id,
            link=trace,
            link_text=f"{self.link_name} from value {trace.offset}"
            if self.link_name
            else f"{trace.values_mbps[0]:g} Mbit/s",
            join_s=self.first.join_s + number * self.join_step_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerModel(ServingOptions):
    """The options of a simulated server, and what it takes for what a real one does by itself.

    Attributes:
        arrival_ms: from reading a frame until its executor has it.
        answer_ms: from the end of a batch until its answers are sent.
        plan_ms: from the state that a plan is made of until it is in force.
        load_ms: from a plan until a variant runs that the device has not loaded.
        clock_ms: what a change of its clock takes a device.
        power_departure_ratio: how much more or less than its table a device draws at most, in ticks of 100 ms.
        sampling: of batch times.
    """

    arrival_ms: float = option(0.5, limits=Range(0, 1000))
    answer_ms: float = option(0.5, limits=Range(0, 1000))
    plan_ms: float = option(0.0, limits=Range(0, 60_000))
    load_ms: float = option(0.0, limits=Range(0, 60_000))
    clock_ms: float = option(0.0, limits=Range(0, 60_000))
    power_departure_ratio: float = option(0.0, limits=Range(0, 0.9))
    sampling: Sampling = Sampling.LOG_NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run.

    Attributes:
        seconds: how long frames are captured.
        seed: fixes everything that is left to chance.
        zoo: name of the variants.
        variants: least accurate first.
        devices: of the server, all ready at the start unless they are absent then.
        profiles: device type to latency.
        streams: who joins.
        qualities: JPEG qualities below the default whose effect is known, best first.
        slowdowns: device id to how slow it is over time; the others are as fast as their profiles.
        absences: device id to when it is not there; the others always are.
        modes: device type to what its modes cost by clock, where it has clocks or tells of energy.
        powers: device type to what it draws, where that is known.
        tenants: what some of the streams' tenants are entitled to.
    """

    seconds: float
    zoo: str
    variants: tuple[Variant, ...]
    devices: tuple[Device, ...]
    profiles: dict[str, LatencyProfile]
    streams: tuple[SimulatedStream, ...]
    server: ServerModel = field(default_factory=ServerModel)
    seed: int = 0
    qualities: tuple[JpegQuality, ...] = ()
    slowdowns: Mapping[str, SlowdownScript] = field(default_factory=dict)
    absences: Mapping[str, Absences] = field(default_factory=dict)
    modes: Mapping[str, ModeTable] = field(default_factory=dict)
    powers: Mapping[str, PowerTable] = field(default_factory=dict)
    tenants: Entitlements = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_positive("seconds", self.seconds, MAX_SECONDS)
        require_not_negative("seed", self.seed)
        for name, ids in (
            ("streams", [stream.stream_id for stream in self.streams]),
            ("devices", [device.device_id for device in self.devices]),
        ):
            if not ids:
                raise ValueError(f"{name}=[]: must hold at least one")
            if len(set(ids)) != len(ids):
                twice = next(one for one in ids if ids.count(one) > 1)
                raise ValueError(f"{name}={echo(twice)}: is there twice")
        self.server.check_tables(
            {one.device_id: self.modes.get(one.device_type) for one in self.devices}
        )
        known = {device.device_id for device in self.devices}
        for name, scripts in (("slowdowns", self.slowdowns), ("absences", self.absences)):
            for device_id in scripts.keys() - known:
                raise ValueError(f"{name}={echo(device_id)}: there is no such device")
        for tenant in self.tenants.keys() - {stream.tenant for stream in self.streams}:
            raise ValueError(f"tenants={echo(tenant)}: must be the tenant of some stream")
        check_floors(self.tenants.values())
        for stream in self.streams:
            if stream.join_s >= self.seconds:
                raise ValueError(
                    f"{stream.stream_id}: joins at {stream.join_s:g} s, when the run is over"
                )
