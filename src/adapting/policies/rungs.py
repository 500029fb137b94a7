"""The ladder that an application declares: which knobs are turned, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from ...core.checks import echo


class Knob(StrEnum):
    """What may be given up where the link does not carry all."""

    FPS = "fps"  # every second frame is left out, then two of three
    QUALITY = "quality"  # JPEG quality, as far as its effect is known
    SIZE = "size"  # side of the frames
    SKIP = "skip"  # frames that would not be in time; always the last resort


DEFAULT_LADDER = ("size+quality", "skip")


def parse_ladder(rungs: Sequence[str]) -> tuple[frozenset[Knob], ...]:
    """Reads a ladder: each rung a knob, or several joined by `+` that are turned together.

    Args:
        rungs: for example ("fps", "size", "skip"). A knob is turned only where those before it do not
            suffice; one that is not named is never turned, but for `skip`, which comes last in any case.

    Returns:
        The knobs that may be turned on each rung: its own, and those before it.

    Raises:
        ValueError: naming the rung, if it is unknown, there twice, or follows `skip`.
    """
    allowed: list[frozenset[Knob]] = []
    turned: frozenset[Knob] = frozenset()
    for rung in rungs:
        for word in rung.split("+"):
            if word not in set(Knob):
                known = ", ".join(Knob)
                raise ValueError(f"ladder={echo(rung)}: must be of {known}, joined by + or not")
            if word in turned:
                raise ValueError(f"ladder={echo(rung)}: {word} is there twice")
            if Knob.SKIP in turned:
                raise ValueError(f"ladder={echo(rung)}: must not come after skip")
            turned |= {Knob(word)}
        allowed.append(turned)
    if not allowed:
        raise ValueError("ladder=(): must have at least one rung")
    return tuple(allowed)
