"""Who shares a device, in a word: NETWORK@MHZ[:PRIORITY]."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.checks import echo, require_positive
from .weights import HIGHEST_PRIORITY, LOWEST_PRIORITY, weight_of

FORM = "NETWORK@MHZ[:PRIORITY]"
MOST_MHZ = 1e6


@dataclass(frozen=True, slots=True)
class ClientWord:
    """What a client runs.

    Attributes:
        network: name of a kernel profile.
        clock_mhz: that it asks for.
        priority: -20 (highest) to 19.
    """

    network: str
    clock_mhz: float
    priority: int = 0


def parse_client(word: str) -> ClientWord:
    """Reads a word; whether there is such a network, and whether it has such a clock, others know.

    Raises:
        ValueError: naming the word, and what it must be.
    """
    network, _, rest = word.partition("@")
    clock, colon, number = rest.partition(":")
    try:
        clock_mhz = require_positive("MHZ", float(clock), MOST_MHZ)
    except ValueError:
        raise ValueError(
            f"{echo(word)}: must be {FORM}, MHZ a number of at most {MOST_MHZ:g}"
        ) from None
    try:
        priority = int(number) if colon else 0
        weight_of(priority)
    except ValueError:
        bounds = f"{HIGHEST_PRIORITY}..{LOWEST_PRIORITY}"
        raise ValueError(f"{echo(word)}: PRIORITY must be a whole number of {bounds}") from None
    return ClientWord(network, clock_mhz, priority)
