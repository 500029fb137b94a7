"""Which shipped zoo is served where nobody names one."""

from __future__ import annotations

from pathlib import Path

AUTO = "auto"
FLOAT_ZOO, INT8_ZOO = "traffic", "traffic-int8"
BYTE_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "asimddp", "i8mm"})
"""Flags of processors that multiply bytes, and sum up, in one instruction; others are faster in floats."""


def usual_zoo(*, on_cpu: bool) -> str:
    """The int8 zoo where all devices are cores that multiply bytes, else the one of floats."""
    return INT8_ZOO if on_cpu and multiplies_bytes() else FLOAT_ZOO


def multiplies_bytes(path: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this machine's processor does, as the kernel tells its flags."""
    try:
        first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return False
    return not BYTE_PRODUCTS.isdisjoint(first.split())
