"""Rows of the run logs: one class a file, its fields are the columns. docs/metrics.md explains them.

Named tuples, because there is one or two for every frame, and they cost a quarter of a frozen dataclass.
"""

from __future__ import annotations

from typing import NamedTuple


class FrameRecord(NamedTuple):
    """One captured frame, as its client saw it (`frames.csv`). Empty where it does not apply.

    All `_ms` are durations, except `captured_ms`, `sent_ms` and `answered_ms`, which count from the
    start of the client's run.
    """

    stream_id: str
    sequence: int
    captured_ms: float
    verdict: str
    place: str = ""
    reason: str = ""
    side_px: int | None = None
    jpeg_bytes: int | None = None
    sent_ms: float | None = None
    answered_ms: float | None = None
    latency_ms: float | None = None  # capture to answer
    network_ms: float | None = None  # of frame and ack, as measured
    bandwidth_kbps: float | None = None  # the client's estimate when it sent the frame
    variant: str = ""
    batch_size: int | None = None
    endpoint_ms: float | None = None
    queue_ms: float | None = None
    decode_ms: float | None = None
    inference_ms: float | None = None
    server_ms: float | None = None
    advised_side_px: int | None = None
    plan_epoch: int | None = None
    num_detections: int | None = None
    jpeg_quality: int | None = None
    energy_mj: float | None = None  # its share of its batch, above idle


class ServerFrameRecord(NamedTuple):
    """One frame that reached the server, as its endpoint saw it (`server_frames.csv`)."""

    stream_id: str
    session_number: int  # counts a stream's registrations
    sequence: int
    read_ms: float  # monotonic clock of the machine
    age_ms: float  # at send, as the client says
    network_ms: float  # as estimated for the deadline
    jpeg_bytes: int
    side_px: int
    bandwidth_kbps: float  # the client's estimate in this frame
    planned_kbps: float  # what planning uses: harmonic mean of the last second
    verdict: str  # answered or dropped
    place: str = ""
    reason: str = ""
    device_id: str = ""
    variant: str = ""
    batch_size: int | None = None
    endpoint_ms: float | None = None
    queue_ms: float | None = None
    decode_ms: float | None = None
    inference_ms: float | None = None
    server_ms: float | None = None
    advised_side_px: int | None = None
    plan_epoch: int | None = None
    energy_mj: float | None = None  # its share of its batch, above idle


class PlanRecord(NamedTuple):
    """What one plan gives one device (`plans.csv`)."""

    epoch: int
    at_ms: float  # monotonic clock of the machine
    cause: str  # period, join, leave, link_jump, device_change
    plan_ms: float  # time to decide
    device_id: str
    variant: str
    batch_size: int
    arrival_fps: float
    num_streams: int  # on this device
    served_ratio: float  # of the whole plan
    accuracy_per_request: float  # of the whole plan
    slowdown_ratio: float = 1.0  # recent batch time of this device over its profile's median
    total_mj: float | None = None  # what this device's meter had counted
    clock_mhz: float | None = None  # planned; empty where the device's clock is left alone


class BatchRecord(NamedTuple):
    """One batch (`batches-<device>.csv`)."""

    device_id: str
    at_ms: float  # start, monotonic clock of the machine
    variant: str
    plan_batch_size: int
    batch_size: int  # frames that ran
    idle_ms: float  # since the batch before
    inference_ms: float
    expected_ms: float  # the profile's median for that batch
    queue_length: int  # frames left waiting
    energy_mj: float | None = None  # above idle
    energy_quality: str = ""  # measured or modelled
    clock_mhz: float | None = None  # when it began; empty where the profile has no clocks


class EnergyRecord(NamedTuple):
    """What a device took in about a second (`energy-<device>.csv`)."""

    device_id: str
    begin_ms: float  # monotonic clock of the machine
    end_ms: float
    above_mj: float  # above idle, of its batches
    idle_mj: float  # while it was planned for streams
    unplanned_mj: float  # while it was not
    quality: str
    meter: str
    scope: str  # whose energy it is


class LoadRecord(NamedTuple):
    """One variant loaded after the device was ready (`loads-<device>.csv`)."""

    device_id: str
    at_ms: float  # start, monotonic clock of the machine
    variant: str
    cause: str  # plan, which waits for it, or neighbour
    load_ms: float
    num_held: int  # variants with a slot then, this one included
