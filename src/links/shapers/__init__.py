"""Shaped links on one machine: a relay in user space, or the kernel's queues."""

from .kernel import remove_dead
from .link import Fault, FaultKind, LinkConfig, Way
from .running_shaper import SHAPERS, RunningShaper, open_shaper, start_links

__all__ = [
    "SHAPERS",
    "Fault",
    "FaultKind",
    "LinkConfig",
    "RunningShaper",
    "Way",
    "open_shaper",
    "remove_dead",
    "start_links",
]
