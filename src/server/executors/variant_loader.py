"""Loads and unloads what the core names, in threads beside the batch loop.

What a plan waits for is loaded by one thread at once, since a device that runs too large a variant falls behind until then;
neighbours are loaded by another, at low priority.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping

from ...core.clock import Clock
from ...core.errors import RunError
from ...core.profile import BatchLatency
from ...core.records import LoadRecord
from ...devices.executors.port import DeviceLostError, Executor
from ...scheduling.cores.device.instructions import DeviceOrders, LoadCause
from .workload import Workload

NICENESS = 10

_log = logging.getLogger(__name__)


class VariantLoader:
    """Two threads, and what they have in common."""

    def __init__(
        self,
        device_id: str,
        work: Workload,
        executor: Executor,
        latencies: Mapping[str, BatchLatency],
        clock: Clock,
        on_change: Callable[[], None],
        on_load: Callable[[LoadRecord], None] | None = None,
    ) -> None:
        """Loads nothing yet.

        `on_change` is called, by any thread, when another variant runs or one turns out not to load; `on_load` by one thread at
        a time, of each load after the first.
        """
        self._device_id = device_id
        self._work = work
        self._executor = executor
        self._latencies = latencies
        self._clock = clock
        self._on_change = on_change
        self._on_load = on_load
        self._telling = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, args=(cause,), name=name, daemon=True)
            for cause, name in ((LoadCause.PLAN, "switcher"), (LoadCause.NEIGHBOUR, "loader"))
        ]

    def start(self) -> None:
        """Loads a first variant here and now, and its neighbours after.

        If the one that is wished cannot be loaded, the first that can be takes its place.

        Raises:
            RunError: if none can be loaded.
            DeviceLostError: if the device is lost.
        """
        core = self._work.core
        while not core.variants.active:
            first = core.load(LoadCause.PLAN).load
            if not first:
                raise RunError("no variant of the zoo can be loaded on this device")
            self._load(first)
        for thread in self._threads:
            thread.start()

    def order(self, orders: DeviceOrders) -> None:
        """Takes a plan; raises KeyError if there is no such variant."""
        core = self._work.core
        with self._work.changed:
            before = core.variants.active
            core.order(orders)
            has_switched = core.variants.active != before
            self._wake()
        if has_switched:
            self._on_change()

    def join(self) -> None:
        """Waits until the threads have left, once the workload is closed."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _wake(self) -> None:
        self._work.changed.notify()
        self._work.decoding_due.notify_all()
        self._work.loading_due.notify_all()

    def _serve(self, cause: LoadCause) -> None:
        if cause is LoadCause.NEIGHBOUR:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while variant := self._await(cause):
            at_ms = self._clock.now_ms()
            num_held = self._load(variant)
            if num_held and self._on_load is not None:
                took_ms = self._clock.now_ms() - at_ms
                with self._telling:
                    self._on_load(
                        LoadRecord(self._device_id, at_ms, variant, cause, took_ms, num_held)
                    )

    def _await(self, cause: LoadCause) -> str:
        """Waits for something to load, and makes room for it. Returns nothing to leave."""
        work = self._work
        with work.loading_due:
            while not work.is_closed:
                step = work.core.load(cause)
                for variant in step.unload:
                    self._executor.unload(variant)  # takes no time; nobody can wish it meanwhile
                if step.load:
                    return step.load
                work.loading_due.wait()
        return ""

    def _load(self, variant: str) -> int:
        """Loads a variant; returns how many have a slot then, 0 if it cannot be loaded. Both threads may load the same."""
        core = self._work.core
        is_loaded = True
        try:
            self._executor.load(variant, self._latencies[variant].max_batch_size)
        except DeviceLostError:
            raise
        except Exception as error:  # noqa: BLE001 - libraries fail in many ways; better another variant than none
            _log.error("%s; this device does without %s", error, variant)
            is_loaded = False
        with self._work.changed:
            before = core.variants.active
            (core.loaded if is_loaded else core.broke)(variant)
            num_held = len(core.variants.held)
            is_news = not is_loaded or core.variants.active != before
            self._wake()
        if is_news:
            self._on_change()
        return num_held if is_loaded else 0
