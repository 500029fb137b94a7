"""Advice between plans: which input side a stream should send next."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.budget import BudgetRule
from ...core.stream import Stream
from ...core.variant import Variant


def advised_variant(
    variants: Sequence[Variant],
    stream: Stream,
    rule: BudgetRule,
    overhead_ms: float,
    running: int,
    batch_ms: float,
) -> int:
    """Returns the variant of the largest side, up to the running one's, whose frames come in time.

    The device goes on running its variant and resizes; only the size that travels becomes smaller.
    Where no side's frames come in time, the smallest is advised.

    Args:
        variants: any order.
        stream: the stream with its newest link estimate.
        rule: the server's.
        overhead_ms: what the server spends on a frame besides queueing and running it.
        running: index of the variant that its device runs.
        batch_ms: p99 latency of a batch there.

    Source: Jellyfish, the next DNN sent with each response.
    """
    if rule.budget_ms(stream, variants[running].frame_kbits, overhead_ms) >= 2 * batch_ms:
        return running  # as a rule, and then there is nothing to sort
    most_px = variants[running].input_side_px
    by_side = sorted(
        (index for index, variant in enumerate(variants) if variant.input_side_px <= most_px),
        key=lambda index: (-variants[index].input_side_px, index != running),
    )
    return next(
        (
            index
            for index in by_side
            if rule.budget_ms(stream, variants[index].frame_kbits, overhead_ms) >= 2 * batch_ms
        ),
        by_side[-1],
    )
