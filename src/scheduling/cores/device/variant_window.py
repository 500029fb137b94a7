"""The variants that a device keeps loaded, in a fixed number of slots: what runs and its nearest neighbours in accuracy.

Source: Jellyfish, model cache.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .instructions import DeviceOrders, LoadCause, LoadStep

LEAST_SLOTS = 2  # what runs, and what is loaded meanwhile


class VariantWindow:
    """Keeps as many variants loaded as it has slots, those nearest to the active one.

    What is being loaded has a slot from then on, and what is to go makes room before: slots are never exceeded. With one slot
    there is a second one while a plan changes.

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
        self._num_kept = num_loaded
        self._loaded: set[str] = set()
        self._loading: list[str] = []  # twice, if two loaders are at it
        self._wish = self._variants[0]

    @property
    def held(self) -> set[str]:
        """The variants that have a slot: loaded, or being loaded."""
        return self._loaded.union(self._loading)

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
        self._end_loading(variant)
        self._loaded.add(variant)
        if variant == self._wish:
            self._activate()

    def broke(self, variant: str) -> None:
        """A variant could not be loaded."""
        self._end_loading(variant)
        self.broken.add(variant)
        if variant == self._wish:
            self._do_without()

    def _end_loading(self, variant: str) -> None:
        if variant in self._loading:
            self._loading.remove(variant)

    def _activate(self) -> None:
        self.active = self._wish
        if self._newest.variant == self.active:
            self.orders = self._newest

    def _do_without(self) -> None:
        """Better another variant than none."""
        whole = [one for one in self._variants if one not in self.broken]
        self._wish = self.active or next(iter(whole), "")

    def _nearest(self, variant: str) -> list[str]:
        """All variants, those nearest to one first; of equally near ones the less accurate."""
        middle = self._variants.index(variant)
        return sorted(self._variants, key=lambda one: abs(self._variants.index(one) - middle))

    def window(self, variant: str) -> list[str]:
        """The variants that should be loaded while one is active, nearest first."""
        whole = [one for one in self._nearest(variant) if one not in self.broken]
        return whole[: self._num_kept]

    def next_load(self, cause: LoadCause, in_use: Collection[str] = ()) -> LoadStep:
        """The loader for a cause is free: what it is to unload, and then to load; from now on that is being loaded.

        `in_use` are variants that run, which stay.
        """
        wish, is_settled = self._wish, self._wish == self.active
        if not wish or is_settled != (cause is LoadCause.NEIGHBOUR):
            return LoadStep()
        kept = self.window(wish) if is_settled else [wish]
        missing = [one for one in kept if one not in self.held] if is_settled else kept
        wanted = next(iter(missing), "")
        slots = max(self._num_kept, LEAST_SLOTS if wanted else 1)
        spare = self._loaded.difference(self._loading, in_use, kept, [self.active])
        farthest_first = [one for one in reversed(self._nearest(wish)) if one in spare]
        num_over = len(self.held.union([wanted] if wanted else ())) - slots
        unload = farthest_first[: max(0, num_over)]
        self._loaded.difference_update(unload)
        if num_over > len(unload):
            wanted = ""  # until a batch or a load has ended
        if wanted:
            self._loading.append(wanted)
        return LoadStep(tuple(unload), wanted)
