"""The variants that a device keeps loaded: the active one and its neighbours in accuracy.

Source: Jellyfish, model cache.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .instructions import DeviceOrders


class VariantWindow:
    """Keeps `[active - h, active + h]` loaded, with h half of the window, within the zoo.

    Attributes:
        active: the variant that runs from the next batch on; empty before the first.
        orders: the plan in force. A newer one is in force once its variant is active.
        broken: variants that cannot be loaded, which is never tried again.
    """

    def __init__(self, variants: Sequence[str], num_loaded: int) -> None:
        """Starts with nothing loaded, and wishes for the first; `variants` come least accurate first."""
        self.active = ""
        self.orders = self._newest = DeviceOrders("", 1, 0.0, 0)
        self.broken: set[str] = set()
        self._variants = tuple(variants)
        self._half = num_loaded // 2
        self._loaded: set[str] = set()
        self._wish = self._variants[0]

    def order(self, orders: DeviceOrders) -> None:
        """A plan wishes for a variant; the newest wish counts.

        Raises:
            KeyError: if there is no such variant.
        """
        variant = orders.variant
        if variant not in self._variants:
            raise KeyError(variant)
        self._newest = orders
        self._wish = variant
        if variant in self._loaded:
            self._activate()
        elif variant in self.broken:
            self._do_without()

    def loaded(self, variant: str) -> None:
        """A variant can run now."""
        self._loaded.add(variant)
        if variant == self._wish:
            self._activate()

    def broke(self, variant: str) -> None:
        """A variant could not be loaded."""
        self.broken.add(variant)
        if variant == self._wish:
            self._do_without()

    def _activate(self) -> None:
        self.active = self._wish
        if self._newest.variant == self.active:
            self.orders = self._newest

    def _do_without(self) -> None:
        """Better another variant than none."""
        whole = [one for one in self._variants if one not in self.broken]
        self._wish = self.active or next(iter(whole), "")

    def window(self, variant: str) -> tuple[str, ...]:
        """The variants that should be loaded while one is active, least accurate first."""
        middle = self._variants.index(variant)
        return self._variants[max(0, middle - self._half) : middle + self._half + 1]

    def next_wished(self) -> str:
        """The variant that is to be loaded at once; empty if there is none."""
        return self._wish if self._wish != self.active else ""

    def next_neighbour(self) -> str:
        """The neighbour that is to be loaded when there is time; empty if there is none."""
        if not self.active or self._wish != self.active:
            return ""
        missing = (
            one
            for one in self.window(self.active)
            if one not in self._loaded and one not in self.broken
        )
        return next(missing, "")

    def unload(self, in_use: Collection[str]) -> list[str]:
        """Takes out of the window what has left it, but for what runs; returns what is to be unloaded."""
        if not self.active or self._wish != self.active:
            return []
        gone = sorted(self._loaded.difference(self.window(self.active), in_use))
        self._loaded.difference_update(gone)
        return gone
