"""Shaped links on one machine: a relay in user space, or the kernel's queues."""

from .link import Fault, FaultKind, LinkConfig, Way
from .running_shaper import SHAPERS, RunningShaper, open_shaper, start_relay

__all__ = [
    "SHAPERS",
    "Fault",
    "FaultKind",
    "LinkConfig",
    "RunningShaper",
    "Way",
    "open_shaper",
    "start_relay",
]
