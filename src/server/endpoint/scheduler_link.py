"""The endpoint's side of its conversation with the scheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...core.stream import Stream
from ...protos.internal_pb2 import (
    Envelope,
    Join,
    Leave,
    PlanUpdate,
    Snapshot,
    StreamState,
)
from ...protos.serving_pb2 import Refusal
from ...scheduling.cores.endpoint.instructions import AskScheduler, LeaveScheduler, Report
from ...scheduling.plan_view import PlanView, RunningVariant
from ...scheduling.slowness import Slowness
from ..wire.channel import AsyncChannel, Channel, in_parts
from ..zoo import ServedZoo

_FIELDS = [
    one.name for one in StreamState.DESCRIPTOR.fields if one.name not in ("is_unopened", "proof")
]

_log = logging.getLogger(__name__)


class SchedulerLink:
    """Puts into packets what the endpoint's core has it tell, and reads what comes back."""

    def __init__(
        self,
        zoo: ServedZoo,
        *,
        on_reply: Callable[[int, Refusal | None], None],
        on_plan: Callable[[PlanView], None],
        on_superseded: Callable[[str], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Starts without a scheduler.

        Args:
            zoo: what is served.
            on_reply: takes the number of a question, and None or why there is no place.
            on_plan: takes each plan.
            on_superseded: takes a stream whose session here is over, as it joined at another endpoint.
            on_lost: called when the scheduler is gone.
        """
        self._zoo = zoo
        self._on_reply = on_reply
        self._on_plan = on_plan
        self._on_superseded = on_superseded
        self._on_lost = on_lost
        self._channel: AsyncChannel | None = None
        self._parts: list[PlanUpdate] = []
        self._newest: list[PlanUpdate] = []  # the parts of the plan in force

    @property
    def is_attached(self) -> bool:
        """Whether there is a scheduler to talk to."""
        return self._channel is not None

    def attach(self, channel: Channel) -> None:
        """Takes a scheduler's channel in place of the one before."""
        self._lose()
        self._channel = AsyncChannel(channel, self._on_packet, self._on_close)

    def ask(self, question: AskScheduler) -> bool:
        """Asks for a place; returns False if that cannot be sent."""
        join = Join(
            request=question.request,
            stream=_state(question.stream, is_unopened=True),
            older_proof=question.older_proof,
        )
        return self._channel is not None and self._channel.send(Envelope(join=join))

    def leave(self, leave: LeaveScheduler) -> None:
        """Takes a question back, or the place that it was answered with."""
        packet = Leave(request=leave.request, stream_id=leave.stream_id)
        if self._channel is not None:
            self._channel.send(Envelope(leave=packet))

    def report(self, report: Report) -> None:
        """Tells how all streams fare, and where frames are overdue; in as many parts as it takes."""
        if self._channel is None:
            return
        streams = [_state(one) for one in report.opened]
        streams += [_state(one, is_unopened=True) for one in report.unopened]
        for state in streams:
            state.proof = report.proofs[state.stream_id]
        parts = [Snapshot(streams=some) for some in in_parts(streams)]
        parts += [Snapshot(silent_devices=some) for some in in_parts(report.silent_devices)]
        parts = parts or [Snapshot()]
        for number, part in enumerate(parts, 1):
            part.overhead_ms = report.overhead_ms
            part.is_urgent = report.is_urgent
            part.plan_epoch = report.plan_epoch
            part.has_more = number < len(parts)
            self._channel.send(Envelope(snapshot=part))

    def close(self) -> None:
        """Ends the conversation."""
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        self._parts.clear()

    def _on_packet(self, envelope: Envelope, descriptors: tuple[int, ...]) -> None:
        del descriptors  # none come here
        if envelope.HasField("join_reply"):
            reply = envelope.join_reply
            self._on_reply(reply.request, None if reply.is_accepted else reply.refusal)
        elif envelope.HasField("plan"):
            self._parts.append(envelope.plan)
            if not envelope.plan.has_more:
                self._newest, self._parts = self._parts, []
                self.read_plan()
        elif envelope.HasField("superseded"):
            self._on_superseded(envelope.superseded.stream_id)

    def read_plan(self) -> None:
        """Reads the plan in force, again where a device that it names has only now said who it is.

        Leaves out what this server does not have.
        """
        if not self._newest:
            return
        index = {variant.name: number for number, variant in enumerate(self._zoo.variants)}
        devices: dict[str, RunningVariant] = {}
        for device in (one for part in self._newest for one in part.devices):
            profile = self._zoo.profiles.get(device.device_id)
            if profile is not None and device.variant in index:
                devices[device.device_id] = RunningVariant(
                    device.device_id,
                    index[device.variant],
                    max(1, device.batch_size),
                    Slowness(device.clock_ratio or 1.0).of(profile.by_variant[device.variant]),
                )
        places = [place for part in self._newest for place in part.placements]
        placement = {one.stream_id: one.device_id for one in places if one.device_id}
        preempted = frozenset(one.stream_id for one in places if one.is_preempted)
        self._on_plan(PlanView(self._newest[-1].epoch, devices, placement, preempted))

    def _on_close(self) -> None:
        _log.warning("the scheduler is gone; serving by its plan")
        self._lose()

    def _lose(self) -> None:
        if self._channel is not None:
            self.close()
            self._on_lost()


def _state(stream: Stream, *, is_unopened: bool = False) -> StreamState:
    """How one stream fares, as the scheduler is told."""
    values = {name: getattr(stream, name) for name in _FIELDS}
    return StreamState(**values, is_unopened=is_unopened)
