"""Loads and unloads what the core names, in threads beside the batch loop.

A wished variant is loaded by one thread at once, since a device that runs too large a variant falls behind until then;
neighbours are loaded by another, at low priority.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping

from ...core.errors import RunError
from ...core.profile import BatchLatency
from ...devices.executors.port import DeviceLostError, Executor
from ...scheduling.cores.device.instructions import DeviceOrders
from .workload import Workload

NICENESS = 10

_log = logging.getLogger(__name__)


class VariantLoader:
    """Two threads, and what they have in common."""

    def __init__(
        self,
        work: Workload,
        executor: Executor,
        latencies: Mapping[str, BatchLatency],
        on_change: Callable[[], None],
    ) -> None:
        """Loads nothing yet; `on_change` is called, by any thread, when another variant runs or one turns out not to load."""
        self._work = work
        self._executor = executor
        self._latencies = latencies
        self._on_change = on_change
        variants = work.core.variants
        self._threads = [
            threading.Thread(target=serve, args=arguments, name=name, daemon=True)
            for serve, arguments, name in (
                (self._serve, (variants.next_wished,), "switcher"),
                (self._serve_gently, (variants.next_neighbour,), "loader"),
            )
        ]

    def start(self) -> None:
        """Loads a first variant here and now, and its neighbours after.

        If the one that is wished cannot be loaded, the first that can be takes its place.

        Raises:
            RunError: if none can be loaded.
            DeviceLostError: if the device is lost.
        """
        variants = self._work.core.variants
        while not variants.active:
            first = variants.next_wished()
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

    def _serve_gently(self, wanted: Callable[[], str]) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        self._serve(wanted)

    def _serve(self, wanted: Callable[[], str]) -> None:
        while variant := self._await(wanted):
            self._load(variant)

    def _await(self, wanted: Callable[[], str]) -> str:
        """Waits for something to load, and unloads what left the window. Returns nothing to leave."""
        work = self._work
        with work.loading_due:
            while not work.is_closed:
                for variant in work.core.unload():
                    self._executor.unload(variant)  # takes no time; nobody can wish it meanwhile
                if variant := wanted():
                    return variant
                work.loading_due.wait()
        return ""

    def _load(self, variant: str) -> None:
        """Loads a variant. Both threads may load the same."""
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
            is_news = not is_loaded or core.variants.active != before
            self._wake()
        if is_news:
            self._on_change()
