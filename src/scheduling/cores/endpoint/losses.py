"""What becomes of the frames of a device that hangs or dies, and who is to blame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...suspicion import FORGET_MS, AtWork
from .attached_device import PATIENCE_MS, AttachedDevice, Handed
from .dispatching import (
    end,
    give_up_waiting,
    move,
    note_given_up,
    release,
    serve_waiting,
    trial_over,
)
from .drop_notes import DEVICE_FAILED, DEVICE_SILENT
from .instructions import Note
from .sessions import condemn
from .state import EndpointState


def sweep(state: EndpointState, now_ms: float) -> None:
    """Ends what is overdue, and takes devices that hang for lost."""
    has_lost = False
    for device in state.devices.values():
        if not (device.held or device.gone or device.given_up):
            continue
        running = state.plan.devices.get(device.device_id)
        batch_ms = running.batch_p99_ms if running is not None else 0.0
        if device.has_fallen_silent(now_ms, batch_ms):
            _fall_silent(state, device, now_ms)
            has_lost = True
        _end_overdue(state, device, now_ms, batch_ms)
    give_up_waiting(state, now_ms)
    serve_waiting(state, now_ms)
    if has_lost:
        state.devices_changed(now_ms)


def gone(state: EndpointState, device: AttachedDevice, now_ms: float) -> None:
    """Moves the frames of a dead device; not those that were alone at work."""
    device_id = device.device_id
    del state.devices[device_id]
    text = f"the executor of {device_id} is gone with {len(device.held)} frames"
    state.out.append(Note("WARNING", text))
    at_work = state.at_work(device)
    _lost(state, device, at_work.values(), now_ms)
    waited = [
        handed
        for ticket, handed in (device.held | device.gone).items()
        if handed.is_alone and ticket not in at_work
    ]
    for handed in waited:  # alone, and had not begun
        state.suspicion.ended(handed.stream_id, ran_well=False)
    for ticket, handed in _safest_first(device.held, at_work):
        is_over = handed.is_alone and ticket in at_work
        if is_over or not move(state, handed.frame, now_ms):
            end(state, handed.frame, DEVICE_FAILED, now_ms)
    for handed in waited:
        release(state, handed.stream_id, now_ms)
    if device.is_crash is not None:
        judge(state, device_id, now_ms, is_crash=device.is_crash)
    serve_waiting(state, now_ms)


def judge(state: EndpointState, device_id: str, now_ms: float, *, is_crash: bool) -> None:
    """Ends the streams that a dead device was alone at work on, if they are guilty."""
    tried, condemned = state.suspicion.died(device_id, is_crash=is_crash)
    for stream_id in tried:
        release(state, stream_id, now_ms)
    for stream_id in condemned:
        condemn(state, stream_id, now_ms)


def _end_overdue(
    state: EndpointState, device: AttachedDevice, now_ms: float, batch_ms: float
) -> None:
    """Gives up frames of which nothing will be heard, or nothing in time."""
    note_given_up(state, device, {})
    for ticket, handed in list(device.held.items()):
        frame = handed.frame
        grace_ms = 0.0
        if not device.is_silent:  # it answers others; else it would be silent by then
            grace_ms = max(frame.gate.slo_ms, batch_ms + 2 * PATIENCE_MS)
        if frame.deadline_ms + grace_ms < now_ms:
            device.gone[ticket] = device.held.pop(ticket)
            end(state, frame, DEVICE_SILENT, now_ms)
    for ticket, handed in list(device.gone.items()):
        if handed.frame.deadline_ms + FORGET_MS < now_ms:
            del device.gone[ticket]
            if handed.is_alone:
                trial_over(state, handed, now_ms, ran_well=False)


def _fall_silent(state: EndpointState, device: AttachedDevice, now_ms: float) -> None:
    """Moves the frames of a device that hangs; those that nobody else can take stay, in case it comes back."""
    text = f"the executor of {device.device_id} is silent with {len(device.held)} frames"
    state.out.append(Note("ERROR", text))
    at_work = state.at_work(device)
    _lost(state, device, at_work.values(), now_ms)
    for ticket, handed in _safest_first(device.held, at_work):
        if not handed.is_alone and move(state, handed.frame, now_ms):
            device.gone[ticket] = device.held.pop(ticket)


def _lost(
    state: EndpointState, device: AttachedDevice, at_work: Iterable[Handed], now_ms: float
) -> None:
    for one in at_work:
        frame = one.frame
        text = (
            f"{device.device_id} was lost at work on frame {frame.sequence} of "
            f"{frame.gate.stream_id}: {frame.num_bytes} bytes, crc32c {frame.crc32c:08x}"
        )
        state.out.append(Note("WARNING", text + (", alone" if one.is_alone else "")))
    frames = [AtWork(one.stream_id, one.is_alone) for one in at_work]
    state.suspicion.lost(device.device_id, frames, now_ms)


def _safest_first(
    held: Mapping[int, Handed], at_work: Mapping[int, Handed]
) -> list[tuple[int, Handed]]:
    """Frames in the order in which they are moved: who was at work comes last, and whoever never ran well."""
    return sorted(
        held.items(), key=lambda item: (item[0] in at_work, -item[1].frame.gate.num_answered)
    )
