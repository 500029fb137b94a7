"""Link traces: the rate of a link over time, and the files that hold them."""

from .files import read_trace
from .trace import KBIT_PER_MBIT, LinkTrace, constant_trace

__all__ = ["KBIT_PER_MBIT", "LinkTrace", "constant_trace", "read_trace"]
