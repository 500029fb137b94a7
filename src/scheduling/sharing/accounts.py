"""What everybody has had of a shared device, by weight, and so whose turn it is: whoever had least.

Virtual time is device time by weight (ms at the weight of priority 0). Who wakes is lifted to the least of those who had
something to run all the while: it gains nothing by having waited, and loses nothing.

Source: the Virtual Token Counter of Fairness in Serving Large Language Models (OSDI 2024), with device time for tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .weights import weight_of

NORMAL_WEIGHT = weight_of(0)


class Accounts:
    """Virtual time by tenant. Weights are looked up when something is charged, so that a new one counts at once."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """Starts with nobody; `weights` may change at any time, and who is not there has that of priority 0."""
        self._weights = weights
        self._virtual_ms: dict[str, float] = {}
        self._active: frozenset[str] = frozenset()
        self._least_ms = 0.0

    def set_active(self, tenants: Collection[str]) -> None:
        """Says who has something to run now; lifts those who had nothing before.

        Where all who had something have none any more, those who come next are lifted to whoever of them had most.
        """
        staying = self._active.intersection(tenants)
        if staying:
            self._least_ms = min(self._virtual_ms[one] for one in staying)
        elif self._active:
            self._least_ms = max(self._virtual_ms[one] for one in self._active)
        for one in tenants:
            if one not in staying:
                self._virtual_ms[one] = max(self._virtual_ms.get(one, 0.0), self._least_ms)
        self._active = frozenset(tenants)

    def charged_ms(self, tenant: str, device_ms: float) -> float:
        """What device time is in virtual time, by the tenant's weight as it is now."""
        return device_ms * NORMAL_WEIGHT / self._weights.get(tenant, NORMAL_WEIGHT)

    def charge(self, tenant: str, device_ms: float) -> None:
        """Charges what ran; less than 0 takes back what was charged too much."""
        virtual_ms = self._virtual_ms.get(tenant, self._least_ms)
        self._virtual_ms[tenant] = virtual_ms + self.charged_ms(tenant, device_ms)

    def virtual_ms(self, tenant: str) -> float:
        """What somebody who is active has had."""
        return self._virtual_ms[tenant]
