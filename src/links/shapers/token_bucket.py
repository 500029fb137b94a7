"""The arithmetic of a shaped link: when bytes have left it."""

from __future__ import annotations

from ...core.checks import require_not_negative

BITS_PER_BYTE = 8
MAX_CHUNK_BYTES = 16 * 1024
MIN_CHUNK_BYTES = 256
CHUNK_MS = 2.0
CATCH_UP_MS = 50.0
"""How far sending may lie behind when the process gets the CPU late, and still make up for it."""


class TokenBucket:
    """Tells when chunks of bytes have gone through a link of a given rate.

    An idle link saves nothing up: a frame that comes after a pause takes its full time.
    """

    def __init__(self, rate_kbps: float) -> None:
        """Starts idle, at a rate (1000 bit/s); 0 is an outage; ValueError if the rate is negative or not finite."""
        self._rate_kbps = require_not_negative("rate_kbps", rate_kbps)
        self._free_ms = float("-inf")

    def set_rate(self, rate_kbps: float, now_ms: float) -> None:
        """Changes the rate for the chunks to come; ValueError if the rate is negative or not finite."""
        if self._rate_kbps == 0:
            self._free_ms = max(self._free_ms, now_ms)  # an outage is not made up for
        self._rate_kbps = require_not_negative("rate_kbps", rate_kbps)

    @property
    def chunk_bytes(self) -> int:
        """A good size for the next chunk: about 2 ms of the link."""
        wanted = int(self._rate_kbps * CHUNK_MS / BITS_PER_BYTE)
        return min(MAX_CHUNK_BYTES, max(MIN_CHUNK_BYTES, wanted))

    def reserve(self, num_bytes: int, now_ms: float, has_waited: bool) -> float:
        """Books the link for a chunk and returns when its last bit has left.

        A chunk that has waited was there when the link could have taken it: the time lost since is made up for.

        Raises:
            ValueError: during an outage.
        """
        if self._rate_kbps == 0:
            raise ValueError("rate_kbps=0: nothing leaves during an outage")
        earliest_ms = now_ms - CATCH_UP_MS if has_waited else now_ms
        start_ms = max(self._free_ms, earliest_ms)
        self._free_ms = start_ms + num_bytes * BITS_PER_BYTE / self._rate_kbps
        return self._free_ms
