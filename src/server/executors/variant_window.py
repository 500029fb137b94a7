"""The variants that a device keeps loaded: the active one and its neighbours in accuracy.

A wished variant is loaded by one thread at once, since a device that runs too large a variant falls behind
until then; neighbours are loaded and unloaded by another, at low priority. The batch loop takes the new
variant between two batches. Source: Jellyfish, model cache.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence

from ...core.errors import RunError
from ...devices.executors.port import DeviceLostError, Executor

NICENESS = 10

_log = logging.getLogger(__name__)


class VariantWindow:
    """Keeps `[active - h, active + h]` loaded, with h half of the window, within the zoo."""

    def __init__(
        self,
        executor: Executor,
        variants: Sequence[str],
        num_loaded: int,
        activate: Callable[[str], None],
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        """Loads nothing yet.

        Args:
            executor: loads and unloads.
            variants: least accurate first.
            num_loaded: size of the window.
            activate: called when a wished variant is loaded; returns when the batch loop runs it.
            on_broken: called when a variant turns out not to load, which is never tried again.
        """
        self._executor = executor
        self._variants = tuple(variants)
        self._half = num_loaded // 2
        self._activate = activate
        self._on_broken = on_broken
        self._wish = self._active = ""
        self._is_closed = False
        self._changed = threading.Condition()
        self._loaded: set[str] = set()
        self._broken: set[str] = set()
        self._threads = [
            threading.Thread(target=self._serve_wishes, name="switcher", daemon=True),
            threading.Thread(target=self._serve_neighbours, name="loader", daemon=True),
        ]

    def start(self, variant: str) -> None:
        """Loads and activates a first variant here and now, and its neighbours after.

        If that one cannot be loaded, the first that can be takes its place.

        Raises:
            RunError: if none can be loaded.
            DeviceLostError: if the device is lost.
        """
        for first in dict.fromkeys((variant, *self._variants)):
            if self._load(first):
                break
        else:
            raise RunError("no variant of the zoo can be loaded on this device")
        self._activate(first)
        self._wish = self._active = first
        for thread in self._threads:
            thread.start()

    def wish(self, variant: str) -> None:
        """Asks for another active variant; the newest wish counts. Does not wait.

        Raises:
            KeyError: if the zoo has no such variant.
        """
        if variant not in self._variants:
            raise KeyError(variant)
        with self._changed:
            self._wish = variant
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the threads after what they are doing."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def broken(self) -> tuple[str, ...]:
        """Variants that cannot be loaded, in order."""
        with self._changed:
            return tuple(sorted(self._broken))

    def window(self, variant: str) -> tuple[str, ...]:
        """The variants that should be loaded while one is active, least accurate first."""
        middle = self._variants.index(variant)
        return self._variants[max(0, middle - self._half) : middle + self._half + 1]

    def _serve_wishes(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._wish != self._active)
                if self._is_closed:
                    return
                wish = self._wish
            self._switch(wish)

    def _serve_neighbours(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while (variant := self._next_neighbour()) is not None:
            self._load(variant)

    def _next_neighbour(self) -> str | None:
        """Waits for a neighbour that is to be loaded; unloads what left the window."""
        with self._changed:
            while not self._is_closed:
                if self._wish == self._active:
                    window = self.window(self._active)
                    for variant in sorted(self._loaded.difference(window)):
                        self._executor.unload(
                            variant
                        )  # takes no time; nobody can wish it meanwhile
                    self._loaded.intersection_update(window)
                    for variant in window:
                        if variant not in self._loaded and variant not in self._broken:
                            return variant
                self._changed.wait()
        return None

    def _switch(self, variant: str) -> None:
        is_loaded = self._load(variant)
        if is_loaded:
            self._activate(variant)
        with self._changed:
            if is_loaded:
                self._active = variant
            elif self._wish == variant:
                self._wish = self._active  # better another variant than none
            self._changed.notify_all()

    def _load(self, variant: str) -> bool:
        """Loads a variant unless it is there; returns whether it is. Both threads may load the same."""
        with self._changed:
            if variant in self._loaded or variant in self._broken:
                return variant in self._loaded
        try:
            self._executor.load(variant)
        except DeviceLostError:
            raise
        except Exception as error:  # noqa: BLE001 - libraries fail in many ways; better another variant than none
            _log.error("%s; this device does without %s", error, variant)
            with self._changed:
                self._broken.add(variant)
            self._on_broken()
            return False
        with self._changed:
            self._loaded.add(variant)
        return True
