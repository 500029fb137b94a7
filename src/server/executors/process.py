"""The executor process: one device, its decoders and batch loop, and who it talks to."""

from __future__ import annotations

import dataclasses
import faulthandler
import gc
import logging
import os
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import NoReturn

from ...core.clock import MonotonicClock
from ...core.device import AnnouncedDevice, Device
from ...core.errors import MoonjellyError, UsageError
from ...core.records import BatchRecord
from ...devices.config import DeviceConfig, DeviceKind
from ...devices.executors.port import DeviceLostError, Executor
from ...devices.slowdown_script import SlowdownScript
from ...protos.internal_pb2 import (
    Attach,
    Envelope,
    ExecutorStatus,
    FrameDescriptor,
    PlanUpdate,
    Ready,
)
from ...scheduling.batching.port import Batcher
from ...scheduling.batching.registry import batcher
from ...scheduling.heartbeats import BEAT_PERIOD_MS
from ..child import EXIT_DEVICE_LOST, EXIT_ORPHANED, ChildContext
from ..config import ServerConfig
from ..run_log import open_log
from ..wire.announcing import announcement
from ..wire.bench import Bench
from ..wire.channel import Channel, ChannelClosedError
from ..wire.frame_memory import FrameReader
from ..wire.heartbeat import HEARTBEAT
from ..zoo import ServedZoo, fingerprint_of, load_served_zoo
from .endpoint_link import EndpointLink
from .frame_queue import WaitingFrame
from .loop import BatchLoop, DeviceVariant
from .pulse import Pulse
from .variant_window import VariantWindow
from .watchdog import Watchdog
from .workload import Workload

EXIT_CRASHED = 1
LEAVE_LIMIT_S = 0.3  # for the running batch; whoever waited for it is gone

_log = logging.getLogger(__name__)


def run(context: ChildContext) -> None:
    """Runs the executor of `config.devices[number]` until it is told to leave."""
    device = context.config.devices[context.number]
    threading.excepthook = _leave  # also of a thread that exits
    zoo = load_served_zoo(dataclasses.replace(context.config, devices=(device,)))
    executor = build_executor(device, zoo, context.config)
    process = ExecutorProcess(context, device, zoo, executor)
    with leaving_at_once():
        process.start()
        gc.collect()
        gc.freeze()  # a full collection over the libraries' objects would stop a batch for long
        process.serve()
    process.close()
    os._exit(0)  # the libraries' own clearing up takes longer than a drain may


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Ends the process with whatever ends this thread: what its words are for is passed on, nothing else."""
    try:
        yield
    except DeviceLostError as error:
        _leave_lost(error)
    except (MoonjellyError, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - whatever it is, nothing can be relied on any more
        try:
            _log.critical("the receiving thread failed", exc_info=True)
        finally:
            os._exit(EXIT_CRASHED)


def build_executor(device: DeviceConfig, zoo: ServedZoo, config: ServerConfig) -> Executor:
    """Makes the executor of a device. Only the one that is asked for is imported."""
    if device.kind is DeviceKind.REPLAYED:
        from ...devices.executors.replayed_executor import ReplayedExecutor  # noqa: PLC0415

        latency = zoo.profiles[device.device_id].by_variant
        return ReplayedExecutor(
            latency,
            is_instant=config.replay_latency_ratio == 0,
            slowdown=SlowdownScript.parse(device.slowdown),
        )
    from ...devices.executors.torch_executor import TorchExecutor  # noqa: PLC0415 - loads torch

    if device.kind is DeviceKind.CUDA:
        return TorchExecutor(f"cuda:{device.gpu}")
    return TorchExecutor("cpu", num_threads=len(device.cores))


class ExecutorProcess:
    """Receives for the batch loop, in the main thread."""

    def __init__(
        self, context: ChildContext, device: DeviceConfig, zoo: ServedZoo, executor: Executor
    ) -> None:
        config = context.config
        self._control = context.control
        self._device = device
        fingerprint = fingerprint_of(device)
        self._announcement = list(
            announcement(
                AnnouncedDevice(
                    Device(device.device_id, device.device_type),
                    context.generation,
                    zoo.profiles[device.device_id],
                    "" if fingerprint is None else fingerprint.label,
                )
            )
        )
        self._clock = MonotonicClock()
        self._memories: dict[str, FrameReader] = {}
        self._endpoints: dict[str, EndpointLink] = {}
        self._scheduler: Channel | None = None
        self._telling = threading.Lock()
        self._backlog = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._work = Workload(needs_pictures=executor.needs_pictures)
        self._num_decoders = config.decode_threads if executor.needs_pictures else 0
        self._log = open_log(config.out_dir, f"batches-{device.device_id}", BatchRecord)
        self._variants = {
            variant.name: DeviceVariant(
                variant.name,
                variant.input_side_px,
                zoo.latency(device.device_id, variant.name),
            )
            for variant in zoo.variants
        }
        self._loop = BatchLoop(
            device.device_id,
            self._work,
            executor,
            self._variants,
            _build_batcher(config.batcher),
            self._clock,
            on_status=self._tell_scheduler,
            on_batch=self._log.write if self._log is not None else None,
            watchdog=Watchdog(),
            decode_alone=_decode_alone if executor.needs_pictures else None,
        )
        self._window = VariantWindow(
            executor,
            list(self._variants),
            config.loaded_variants,
            self._loop.activate,
            on_broken=self._tell_status,
        )
        self._thread = threading.Thread(target=self._loop.run, name="batches", daemon=True)
        self._pulse = Pulse(self._work, self._loop)
        self._beat_at_ms = 0.0
        self._is_leaving = False

    def start(self) -> None:
        """Loads the first variant and reports ready; frames may wait already."""
        self._window.start(next(iter(self._variants)))
        if self._num_decoders:
            from .decoding import DecoderPool  # noqa: PLC0415 - loads OpenCV

            DecoderPool(self._work, self._num_decoders)
        self._thread.start()
        self._selector.register(self._control, selectors.EVENT_READ, self._read_control)
        self._selector.register(self._backlog, selectors.EVENT_READ, self._on_backlog)
        self._control.send(Envelope(ready=Ready()))

    def serve(self) -> None:
        """Receives until told to leave."""
        while not self._is_leaving:
            left_ms = max(0.0, self._beat_at_ms - self._clock.now_ms())
            for key, _ in self._selector.select(left_ms / 1000):
                key.data()
            self._beat()

    def _beat(self) -> None:
        """Says, when it is time, that this thread receives and the batch loop decides or runs."""
        now_ms = self._clock.now_ms()
        if now_ms < self._beat_at_ms:
            return
        self._beat_at_ms = now_ms + BEAT_PERIOD_MS
        is_beating = self._pulse.is_beating(BEAT_PERIOD_MS / 1000)
        if self._pulse.is_decoding_stuck:
            self._leave_stuck()
        if is_beating:
            with suppress(ChannelClosedError):  # the reader tells
                self._control.send(HEARTBEAT)

    def _leave_stuck(self) -> NoReturn:
        """A decoder hangs: its bench tells at which frame. There are few decoders, and each may be next."""
        try:
            _log.critical("decoding hangs")
            faulthandler.dump_traceback()
        finally:
            os._exit(EXIT_CRASHED)

    def close(self) -> None:
        """Lets the running batch end, and closes the log."""
        self._work.close()
        self._thread.join(LEAVE_LIMIT_S)
        if self._log is not None:
            self._log.close()

    def _read_control(self) -> None:
        try:
            for envelope, descriptors in self._control.drain():
                match envelope.WhichOneof("message"):
                    case "attach":
                        self._attach(envelope.attach, descriptors)
                    case "drain":
                        self._is_leaving = True
        except ChannelClosedError:
            raise SystemExit(EXIT_ORPHANED) from None

    def _attach(self, attach: Attach, descriptors: tuple[int, ...]) -> None:
        """Takes a descriptor; it replaces what an earlier generation of the peer left."""
        (descriptor,) = descriptors
        if attach.what == Attach.FRAME_MEMORY:
            self._memories[attach.peer] = FrameReader(descriptor)
            os.close(descriptor)
            return
        channel = Channel.from_descriptor(descriptor)
        with suppress(ChannelClosedError):  # the reader tells
            for part in self._announcement:
                channel.send(part)
        if attach.peer.startswith("endpoint-"):
            self._drop_endpoint(self._endpoints.get(attach.peer))
            memory = self._memories[attach.peer]
            link = EndpointLink(attach.peer, channel, memory, self._note_backlog)
            self._endpoints[attach.peer] = link
            read: Callable[[], None] = partial(self._read_endpoint, link)
        else:
            self._drop_scheduler(self._scheduler)
            self._scheduler = channel
            self._tell_status()  # it counts on devices that have spoken
            read = partial(self._read_scheduler, channel)
        self._selector.register(channel, selectors.EVENT_READ, read)

    def _read_endpoint(self, link: EndpointLink) -> None:
        """Sends what waited for room, and takes what has come."""
        if self._endpoints.get(link.name) is not link:  # another took its place a moment ago
            return
        self._flush(link)
        frames: list[FrameDescriptor] = []
        try:
            for envelope, descriptors in link.channel.drain():
                kind = envelope.WhichOneof("message")
                if kind == "frame":
                    frames.append(envelope.frame)
                elif kind == "attach":
                    link.bench = Bench(descriptors[0])
                    os.close(descriptors[0])
                elif kind == "cancel":
                    self._add(link, frames)
                    frames = []
                    with self._work.changed:
                        self._work.queue.cancel(link, envelope.cancel.tickets)
        except ChannelClosedError:
            self._drop_endpoint(link)
            return
        self._add(link, frames)

    def _add(self, link: EndpointLink, frames: list[FrameDescriptor]) -> None:
        if not frames:
            return
        work = self._work
        with work.changed:
            now_ms = self._clock.now_ms()
            for frame in frames:
                link.bench.receive(frame.ticket)
                work.queue.add(link, frame, now_ms)
            link.bench.receive(0)
            work.changed.notify()
            if work.queue.needs_pictures:
                work.decoding_due.notify(len(frames))

    def _note_backlog(self) -> None:
        """Has the receiving thread send what found no room; called by any thread."""
        os.eventfd_write(self._backlog, 1)

    def _on_backlog(self) -> None:
        os.eventfd_read(self._backlog)
        for link in self._endpoints.values():
            self._flush(link)

    def _flush(self, link: EndpointLink) -> None:
        """Sends what there is room for, and waits for more room if something is left."""
        if not link.has_backlog:
            return
        link.flush()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.has_backlog else 0)
        key = self._selector.get_key(link.channel)
        self._selector.modify(link.channel, events, key.data)

    def _drop_endpoint(self, link: EndpointLink | None) -> None:
        """Forgets a dead endpoint and its frames: nobody waits for them."""
        if link is None or self._endpoints.get(link.name) is not link:
            return
        del self._endpoints[link.name]
        self._selector.unregister(link.channel)
        with self._work.changed:
            self._work.queue.cancel_all(link)
        link.close()

    def _read_scheduler(self, channel: Channel) -> None:
        if channel is not self._scheduler:
            return
        try:
            for envelope, _ in channel.drain():
                if envelope.WhichOneof("message") == "plan":
                    self._take_plan(envelope.plan)
        except ChannelClosedError:
            self._drop_scheduler(channel)

    def _drop_scheduler(self, channel: Channel | None) -> None:
        """Forgets a dead scheduler; its last plan stays in force."""
        if channel is None or channel is not self._scheduler:
            return
        self._scheduler = None
        self._selector.unregister(channel)
        channel.close()

    def _take_plan(self, plan: PlanUpdate) -> None:
        for device in plan.devices:
            if device.device_id != self._device.device_id:
                continue
            if device.variant not in self._variants:
                _log.error("plan %d: there is no variant %s", plan.epoch, device.variant)
                continue
            self._loop.set_plan(device, plan.epoch)
            self._window.wish(device.variant)

    def _tell_status(self) -> None:
        self._tell_scheduler(self._loop.status())

    def _tell_scheduler(self, status: ExecutorStatus) -> None:
        """Sends a status, from any thread; without a scheduler nobody misses it."""
        status.broken_variants.extend(self._window.broken)
        channel = self._scheduler
        if channel is None:
            return
        try:
            with self._telling:
                channel.send(Envelope(executor_status=status))
        except (ChannelClosedError, OSError):
            return  # the receiving thread tells, or has closed it already


def _decode_alone(frame: WaitingFrame, side_px: int) -> bool:
    from .decoding import decode_alone  # noqa: PLC0415 - loads OpenCV

    return decode_alone(frame, side_px)


def _build_batcher(name: str) -> Batcher:
    try:
        return batcher(name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _leave(failure: threading.ExceptHookArgs) -> None:
    """A thread that fails takes the process along: a new one is better than half of one."""
    if isinstance(failure.exc_value, DeviceLostError):
        _leave_lost(failure.exc_value)
    try:
        name = failure.thread.name if failure.thread is not None else "a thread"
        _log.critical("%s failed", name, exc_info=failure.exc_value)
    finally:
        os._exit(EXIT_CRASHED)


def _leave_lost(error: BaseException) -> NoReturn:
    try:
        _log.critical("the device is lost: %s", error)
    finally:
        os._exit(EXIT_DEVICE_LOST)
