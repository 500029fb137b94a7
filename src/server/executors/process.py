"""The executor process: one device, its decoders and batch loop, and who it talks to."""

from __future__ import annotations

import dataclasses
import faulthandler
import gc
import logging
import os
import selectors
import threading
from contextlib import suppress
from typing import NoReturn

from ...core.clock import MonotonicClock
from ...core.device import AnnouncedDevice, Device
from ...core.mode import ModeTable, latencies_by_clock
from ...core.records import BatchRecord, EnergyRecord, LoadRecord
from ...devices.config import DeviceConfig
from ...devices.executors.port import Executor
from ...devices.registry import build_executor
from ...energy.port import ClockAsker
from ...protos.internal_pb2 import (
    EnergyRead,
    Envelope,
    Ready,
)
from ...scheduling.batching.registry import batcher
from ...scheduling.cores.device.core import DeviceCore
from ...scheduling.heartbeats import BEAT_PERIOD_MS
from ...scheduling.slowness import AS_PROFILED
from ...zoos import power_table
from ..access.tenants import TenantWeights
from ..child import EXIT_ORPHANED, GOVERNOR, ChildContext
from ..run_log import open_log
from ..wire.channel import Channel, ChannelClosedError
from ..wire.heartbeat import HEARTBEAT
from ..zoo import ServedZoo, learned_of, load_served_zoo
from .energy_side import EnergySide
from .governor_link import GovernorLink
from .learning import Learning
from .leaving import EXIT_CRASHED, leave, leaving_at_once
from .loop import BatchLoop
from .peers import Peers
from .pulse import Pulse
from .variant_loader import VariantLoader
from .watchdog import Watchdog
from .workload import Workload

LEAVE_LIMIT_S = 0.3  # for the running batch; whoever waited for it is gone

_log = logging.getLogger(__name__)


def run(context: ChildContext) -> None:
    """Runs the executor of `config.devices[number]` until it is told to leave."""
    device = context.config.devices[context.number]
    threading.excepthook = leave  # also of a thread that exits
    zoo = load_served_zoo(dataclasses.replace(context.config, devices=(device,)))
    table = zoo.profiles[device.device_id].by_variant
    latencies = {variant.name: table[variant.name] for variant in zoo.variants}
    modes = zoo.modes(device.device_id)
    is_instant = context.config.replay_latency_ratio == 0
    opened = zoo.opened.run_with(zoo.runtimes[device.device_id])
    executor = build_executor(
        device,
        opened,
        latencies,
        is_instant=is_instant,
        load_ms=context.config.replay_load_ms,
        modes=modes,
        clock_delay_ms=context.config.replay_clock_ms,
    )
    process = ExecutorProcess(context, device, zoo, executor, modes)
    with leaving_at_once():
        process.start()
        gc.collect()
        gc.freeze()  # a full collection over the libraries' objects would stop a batch for long
        process.serve()
    process.close()
    os._exit(0)  # the libraries' own clearing up takes longer than a drain may


class ExecutorProcess:
    """Receives for the batch loop, in the main thread."""

    def __init__(
        self,
        context: ChildContext,
        device: DeviceConfig,
        zoo: ServedZoo,
        executor: Executor,
        modes: ModeTable | None = None,
    ) -> None:
        config = context.config
        power = None if modes is None else power_table(zoo.files[device.device_id], modes)
        self._control = context.control
        self._clock = MonotonicClock()
        self._selector = selectors.DefaultSelector()
        self._executor = executor
        self._num_decoders = config.decode_threads if executor.needs_pictures else 0
        self._log = open_log(config.out_dir, f"batches-{device.device_id}", BatchRecord)
        self._weights = TenantWeights(config.tenants)
        learned = learned_of(zoo.opened, device)
        names = [variant.name for variant in zoo.variants]
        latencies = {name: zoo.latency(device.device_id, name) for name in names}
        sides_px = {variant.name: variant.input_side_px for variant in zoo.variants}
        core = DeviceCore(
            latencies,
            batcher(config.batcher, self._weights.by_tenant),
            num_loaded=config.loaded_variants,
            sides_px=sides_px if executor.needs_pictures else None,
            slowness=AS_PROFILED if learned is None else learned.slowness,
            depth=executor.depth,
            max_batch_size=config.max_batch_size,
            now_ms=self._clock.now_ms(),
            by_clock=latencies_by_clock(modes, names),
            can_park=not config.no_parking,
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
        self._governor = GovernorLink(self._selector)
        self._energy = EnergySide(
            device.device_id,
            power,
            names,
            executor if isinstance(executor, ClockAsker) else self._governor,
            self._clock,
            self._log,
            lambda: open_log(config.out_dir, f"energy-{device.device_id}", EnergyRecord),
        )
        self._governor.on_energy = self._take_energy
        self._loop = BatchLoop(
            device.device_id,
            self._work,
            executor,
            sides_px,
            self._clock,
            on_status=self._tell_status,
            watchdog=Watchdog(),
            energy=self._energy,
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
            self._energy,
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
        self._energy.beat()
        self._peers.tell_energy()
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
        self._energy.close()
        for log in (self._log, self._loads):
            if log is not None:
                log.close()

    def _read_control(self) -> None:
        try:
            for envelope, descriptors in self._control.drain():
                match envelope.WhichOneof("message"):
                    case "attach" if envelope.attach.peer.startswith(GOVERNOR):
                        self._governor.attach(Channel.from_descriptor(descriptors[0]))
                    case "attach":
                        self._peers.attach(envelope.attach, descriptors)
                    case "reread":
                        self._weights.reread()
                    case "drain":
                        self._is_leaving = True
        except ChannelClosedError:
            raise SystemExit(EXIT_ORPHANED) from None

    def _take_energy(self, read: EnergyRead | None) -> None:
        self._energy.read(read)
        self._peers.tell_energy()  # as often as the meter is read: caps of power depend on it

    def _tell_status(self) -> None:
        self._peers.tell_status()
