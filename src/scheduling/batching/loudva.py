"""LoudVA's batches: frames by deadline, as many as the most urgent allows, and a rule for how long to wait for more.

Source: LoudVA (EuroMLSys 2025), its scheduler's loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from .port import Batch, BatchDecision, DeviceState, QueuedFrame

WAIT_FACTOR = 4.0
"""Wait while the most urgent frame has more time left than that many of the batch to start now."""


def held_ms(
    slack_ms: float, batch_ms: float, queued: int, most: int, factor: float = WAIT_FACTOR
) -> float:
    """How long to wait for more frames before starting a batch; 0 to start it now.

    Args:
        slack_ms: what the most urgent frame has left.
        batch_ms: what the batch is expected to take until it is answered.
        queued: frames that wait.
        most: the largest batch; where it is full, nothing is waited for.
        factor: see `WAIT_FACTOR`.
    """
    return max(0.0, slack_ms - factor * batch_ms) if queued < most else 0.0


class LoudVABatcher:
    """One device at the clock it has: there the least energy per frame is that of the largest batch.

    Frames that cannot make it even alone come last, as room is left; they are answered late.
    """

    def decide(
        self, queue: Sequence[QueuedFrame], device: DeviceState, now_ms: float
    ) -> BatchDecision:
        """Decides for an idle device; see `Batcher`."""
        takes_ms = device.latency.p99_ms
        ready = sorted(
            (frame for frame in queue if frame.is_ready),
            key=lambda frame: (frame.deadline_ms < now_ms + takes_ms[0], frame.deadline_ms),
        )
        if not ready:
            return BatchDecision()
        most = min(device.batch_size, len(ready))
        slack_ms = ready[0].deadline_ms - now_ms
        size = most
        while size > 1 and takes_ms[0] <= slack_ms < takes_ms[size - 1]:
            size -= 1
        wait_ms = held_ms(slack_ms, takes_ms[size - 1], len(ready), device.batch_size)
        if now_ms + wait_ms > now_ms:
            return BatchDecision(wait_until_ms=now_ms + wait_ms)
        return BatchDecision(run=tuple(frame.key for frame in ready[:size]))

    def ran(self, batch: Batch, took_ms: float) -> None:
        """Needs not know."""
