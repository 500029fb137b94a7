"""Advice between plans: which input side a stream should send next."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.problem import Client
from ..core.variant import Variant


def advised_variant(
    variants: Sequence[Variant],
    client: Client,
    overhead_ms: float,
    running: int,
    batch_ms: float,
) -> int:
    """Returns the best variant whose frames the link carries in time; the least accurate if none.

    The device goes on running its variant and resizes; only the size that travels becomes smaller.

    Args:
        variants: least accurate first.
        client: the stream with its newest link estimate.
        overhead_ms: what the server spends on a frame besides queueing and running it.
        running: index of the variant that its device runs.
        batch_ms: p99 latency of a batch there.

    Source: Jellyfish, the next DNN sent with each response.
    """
    for index in range(running, 0, -1):
        if client.budget_ms(variants[index], overhead_ms) >= 2 * batch_ms:
            return index
    return 0
