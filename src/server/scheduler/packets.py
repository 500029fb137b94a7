"""Translates between the scheduler's packets and what its core takes and says."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from ...core.checks import echo
from ...core.limits import (
    ANSWER_KBITS,
    BANDWIDTH_KBPS,
    FPS,
    OVERHEAD_MS,
    SIZE_RATIO,
    SLO_MS,
    WIRE_MS,
    Range,
)
from ...core.stream import Stream
from ...core.variant import Variant
from ...protos.internal_pb2 import (
    DevicePlan,
    Envelope,
    ExecutorStatus,
    Join,
    JoinReply,
    Placement,
    PlanUpdate,
    Snapshot,
    StreamState,
    Superseded,
)
from ...protos.serving_pb2 import CounterOffer, Refusal
from ...scheduling.cores.scheduler.instructions import (
    AnswerJoin,
    DeviceOrder,
    PublishedPlan,
    Supersede,
    TellDevice,
)
from ...scheduling.cores.scheduler.stimuli import DeviceReported, JoinAsked, JoinLeft, Reported
from ...scheduling.planning import admission
from ...scheduling.slowness import Slowness
from ..wire.announcing import AnnouncementReader
from ..wire.channel import in_parts

_RANGES = {
    "fps": FPS,
    "slo_ms": SLO_MS,
    "bandwidth_kbps": Range(0.0, BANDWIDTH_KBPS.most),  # a link that is down has 0
    "wire_ms": WIRE_MS,
    "response_kbits": ANSWER_KBITS,
    "frame_size_ratio": SIZE_RATIO,
    "decode_ms": OVERHEAD_MS,
}

_log = logging.getLogger(__name__)


class EndpointReader:
    """Reads what one endpoint says."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._parts: list[Snapshot] = []  # the begin of a snapshot

    def read(self, envelope: Envelope) -> JoinAsked | JoinLeft | Reported | None:
        """Returns what has happened; None if that is not known yet, or nothing.

        Raises:
            ValueError: if no planning is possible with it.
        """
        kind = envelope.WhichOneof("message")
        if kind == "join":
            join = envelope.join
            stream = read_stream(join.stream)
            return JoinAsked(self._endpoint, join.request, stream, join.older_proof)
        if kind == "leave":
            leave = envelope.leave
            return JoinLeft(self._endpoint, leave.request, leave.stream_id)
        if kind == "snapshot":
            self._parts.append(envelope.snapshot)
            if not envelope.snapshot.has_more:
                parts, self._parts = self._parts, []
                return self._read_snapshot(parts)
        return None

    def _read_snapshot(self, parts: Sequence[Snapshot]) -> Reported:
        streams: dict[bool, list[Stream]] = {False: [], True: []}
        for state in (state for part in parts for state in part.streams):
            try:
                streams[state.is_unopened].append(read_stream(state))
            except ValueError as error:
                _log.error("stream %r cannot be planned: %s", state.stream_id, error)
        last = parts[-1]
        OVERHEAD_MS.require("overhead_ms", last.overhead_ms)
        return Reported(
            self._endpoint,
            opened=tuple(streams[False]),
            unopened=tuple(streams[True]),
            overhead_ms=last.overhead_ms,
            is_urgent=last.is_urgent,
            plan_epoch=last.plan_epoch,
            silent_devices=tuple(one for part in parts for one in part.silent_devices),
            proofs={one.stream_id: one.proof for part in parts for one in part.streams},
        )


def read_stream(state: StreamState) -> Stream:
    """Turns what an endpoint says of a stream into what planning takes.

    Raises:
        ValueError: if that is impossible.
    """
    values = {
        field: limits.require(field, getattr(state, field)) for field, limits in _RANGES.items()
    }
    return Stream(state.stream_id, **values)


def read_status(
    status: ExecutorStatus, devices: AnnouncementReader, variants: Sequence[Variant]
) -> DeviceReported:
    """Reads what an executor says of a device.

    Raises:
        ValueError: if that has not said who it is.
    """
    generation = devices.generations.get(status.device_id)
    if generation is None:
        raise ValueError(f"device_id={echo(status.device_id)}: was not announced")
    broken = {number for number, one in enumerate(variants) if one.name in status.broken_variants}
    slowness = Slowness(status.slowdown_ratio, status.extra_ms, status.spread_ratio or 1.0)
    return DeviceReported(status.device_id, generation, slowness, frozenset(broken))


def plan_for_endpoints(plan: PublishedPlan, variants: Sequence[Variant]) -> Iterator[Envelope]:
    """The whole plan, in as many parts as it takes."""
    devices = [_device_plan(order, variants) for order in plan.orders]
    placements = [
        Placement(
            stream_id=stream_id,
            device_id=device_id or "",
            is_preempted=stream_id in plan.preempted,
        )
        for stream_id, device_id in plan.placement.items()
    ]
    parts = [PlanUpdate(devices=some) for some in in_parts(devices)]
    parts += [PlanUpdate(placements=some) for some in in_parts(placements)]
    parts = parts or [PlanUpdate()]
    for number, part in enumerate(parts, 1):
        part.epoch = plan.epoch
        part.has_more = number < len(parts)
        yield Envelope(plan=part)


def plan_for_device(told: TellDevice, variants: Sequence[Variant]) -> Envelope:
    """What one device runs."""
    devices = [_device_plan(told.order, variants)]
    return Envelope(plan=PlanUpdate(epoch=told.epoch, devices=devices))


def join_reply(answer: AnswerJoin) -> Envelope:
    """The answer to who wants to join."""
    return Envelope(
        join_reply=JoinReply(
            request=answer.request,
            is_accepted=answer.refusal is None,
            refusal=None if answer.refusal is None else refusal_message(answer.refusal),
            plan_epoch=answer.plan_epoch,
        )
    )


def impossible_join(join: Join) -> Envelope:
    """The answer to a stream with which no planning is possible."""
    refusal = Refusal(reason=Refusal.INFEASIBLE, detail="cannot be planned")
    return Envelope(join_reply=JoinReply(request=join.request, refusal=refusal))


def superseded(told: Supersede) -> Envelope:
    """Word to an endpoint that a session of its is over."""
    return Envelope(superseded=Superseded(stream_id=told.stream_id))


def refusal_message(refusal: admission.Refusal) -> Refusal:
    """A refusal as endpoints and clients are told."""
    return Refusal(
        reason=refusal.reason.name,
        detail=refusal.detail,
        counter_offers=[
            CounterOffer(fps=one.fps, slo_ms=one.slo_ms) for one in refusal.counter_offers
        ],
        retry_after_ms=refusal.retry_after_ms,
    )


def _device_plan(order: DeviceOrder, variants: Sequence[Variant]) -> DevicePlan:
    return DevicePlan(
        device_id=order.device_id,
        variant=variants[order.variant].name,
        batch_size=order.batch_size,
        arrival_fps=order.arrival_fps,
        clock_mhz=order.clock_mhz,
        clock_ratio=order.clock_ratio,
    )
