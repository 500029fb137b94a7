"""The variants that a device keeps loaded: the active one and its neighbours in accuracy.

Loading and unloading go on in a thread of their own, at low priority; the batch loop takes the new
variant between two batches. Source: Jellyfish, model cache.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial

from ...core.errors import RunError
from .port import Executor

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
    ) -> None:
        """Loads nothing yet.

        Args:
            executor: loads and unloads.
            variants: least accurate first.
            num_loaded: size of the window.
            activate: called when a wished variant is loaded; returns when the batch loop runs it.
        """
        self._executor = executor
        self._variants = tuple(variants)
        self._half = num_loaded // 2
        self._activate = activate
        self._wish = self._active = ""
        self._is_closed = False
        self._changed = threading.Condition()
        self._loaded: set[str] = set()
        self._broken: set[str] = set()
        self._thread = threading.Thread(target=self._serve, name="loader", daemon=True)

    def start(self, variant: str) -> None:
        """Loads and activates the first variant here and now, and its neighbours after.

        Raises:
            RunError: if it cannot be loaded.
        """
        self._executor.load(variant)
        self._loaded.add(variant)
        self._activate(variant)
        self._wish = self._active = variant
        self._thread.start()

    def wish(self, variant: str) -> None:
        """Asks for another active variant; the newest wish counts. Does not wait.

        Raises:
            KeyError: if the zoo has no such variant.
        """
        if variant not in self._variants:
            raise KeyError(variant)
        with self._changed:
            self._wish = variant
            self._changed.notify()

    def close(self) -> None:
        """Ends the thread after what it is doing."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def window(self, variant: str) -> tuple[str, ...]:
        """The variants that should be loaded while one is active, least accurate first."""
        middle = self._variants.index(variant)
        return self._variants[max(0, middle - self._half) : middle + self._half + 1]

    def _serve(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        while step := self._next_step():
            step()

    def _next_step(self) -> Callable[[], None] | None:
        """Waits for something to do, one step at a time so that a newer wish need not wait long."""
        with self._changed:
            while not self._is_closed:
                if self._wish != self._active:
                    return partial(self._switch, self._wish)
                window = self.window(self._wish)
                for variant in sorted(self._loaded.difference(window)):
                    return partial(self._unload, variant)
                for variant in window:
                    if variant not in self._loaded and variant not in self._broken:
                        return partial(self._load, variant)
                self._changed.wait()
        return None

    def _switch(self, variant: str) -> None:
        self._load(variant)
        if variant in self._loaded:
            self._activate(variant)
            self._active = variant
            return
        with self._changed:
            if self._wish == variant:
                self._wish = self._active  # better another variant than none

    def _load(self, variant: str) -> None:
        if variant in self._loaded or variant in self._broken:
            return
        try:
            self._executor.load(variant)
        except RunError as error:
            _log.error("%s; this device does without it", error)
            self._broken.add(variant)
        else:
            self._loaded.add(variant)

    def _unload(self, variant: str) -> None:
        self._executor.unload(variant)
        self._loaded.discard(variant)
