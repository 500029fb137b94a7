"""The executor process: one device, its decoders and batch loop, and who it talks to."""

from __future__ import annotations

import dataclasses
import faulthandler
import gc
import logging
import os
import selectors
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from ...core.clock import MonotonicClock
from ...core.device import AnnouncedDevice, Device
from ...core.errors import MoonjellyError
from ...core.records import BatchRecord, LoadRecord
from ...devices.config import DeviceConfig
from ...devices.executors.port import DeviceLostError, Executor
from ...devices.registry import build_executor
from ...protos.internal_pb2 import (
    Envelope,
    Ready,
)
from ...scheduling.batching.registry import batcher
from ...scheduling.cores.device.core import DeviceCore
from ...scheduling.heartbeats import BEAT_PERIOD_MS
from ...scheduling.slowness import AS_PROFILED
from ..child import EXIT_DEVICE_LOST, EXIT_ORPHANED, ChildContext
from ..run_log import open_log
from ..wire.channel import ChannelClosedError
from ..wire.heartbeat import HEARTBEAT
from ..zoo import ServedZoo, learned_of, load_served_zoo
from .learning import Learning
from .loop import BatchLoop
from .peers import Peers
from .pulse import Pulse
from .variant_loader import VariantLoader
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
    latencies = zoo.profiles[device.device_id].by_variant
    is_instant = context.config.replay_latency_ratio == 0
    opened = zoo.opened.run_with(zoo.runtimes[device.device_id])
    executor = build_executor(
        device,
        opened,
        latencies,
        is_instant=is_instant,
        load_ms=context.config.replay_load_ms,
    )
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


class ExecutorProcess:
    """Receives for the batch loop, in the main thread."""

    def __init__(
        self, context: ChildContext, device: DeviceConfig, zoo: ServedZoo, executor: Executor
    ) -> None:
        config = context.config
        self._control = context.control
        self._clock = MonotonicClock()
        self._selector = selectors.DefaultSelector()
        self._executor = executor
        self._num_decoders = config.decode_threads if executor.needs_pictures else 0
        self._log = open_log(config.out_dir, f"batches-{device.device_id}", BatchRecord)
        learned = learned_of(zoo.opened, device)
        names = [variant.name for variant in zoo.variants]
        latencies = {name: zoo.latency(device.device_id, name) for name in names}
        sides_px = {variant.name: variant.input_side_px for variant in zoo.variants}
        core = DeviceCore(
            latencies,
            batcher(config.batcher),
            num_loaded=config.loaded_variants,
            sides_px=sides_px if executor.needs_pictures else None,
            slowness=AS_PROFILED if learned is None else learned.slowness,
            depth=executor.depth,
            max_batch_size=config.max_batch_size,
            now_ms=self._clock.now_ms(),
        )
        self._learning = Learning(device.device_id, core.condition, learned)
        self._work = Workload(core)
        self._loads = open_log(config.out_dir, f"loads-{device.device_id}", LoadRecord)
        self._loader = VariantLoader(
            device.device_id,
            self._work,
            executor,
            latencies,
            self._clock,
            on_change=self._tell_status,
            on_load=self._loads.write if self._loads is not None else None,
        )
        self._loop = BatchLoop(
            device.device_id,
            self._work,
            executor,
            sides_px,
            self._clock,
            on_status=self._tell_status,
            on_batch=self._log.write if self._log is not None else None,
            watchdog=Watchdog(),
        )
        self._peers = Peers(
            AnnouncedDevice(
                Device(device.device_id, device.device_type),
                context.generation,
                zoo.profiles[device.device_id],
            ),
            self._work,
            self._loader,
            self._loop.status,
            self._selector,
            self._clock,
        )
        self._thread = threading.Thread(target=self._loop.run, name="batches", daemon=True)
        self._pulse = Pulse(self._work, self._loop)
        self._beat_at_ms = 0.0
        self._is_leaving = False

    def start(self) -> None:
        """Loads the first variant and reports ready; frames may wait already."""
        self._loader.start()
        if self._num_decoders:
            from .decoding import DecoderPool  # noqa: PLC0415 - loads OpenCV

            DecoderPool(self._work, self._executor, self._num_decoders)
        self._thread.start()
        self._selector.register(self._control, selectors.EVENT_READ, self._read_control)
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
        self._learning.look(now_ms)
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
        """Lets the running batch end, and closes the logs."""
        self._work.close()
        self._thread.join(LEAVE_LIMIT_S)
        self._learning.keep()
        for log in (self._log, self._loads):
            if log is not None:
                log.close()

    def _read_control(self) -> None:
        try:
            for envelope, descriptors in self._control.drain():
                match envelope.WhichOneof("message"):
                    case "attach":
                        self._peers.attach(envelope.attach, descriptors)
                    case "drain":
                        self._is_leaving = True
        except ChannelClosedError:
            raise SystemExit(EXIT_ORPHANED) from None

    def _tell_status(self) -> None:
        self._peers.tell_status()


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
