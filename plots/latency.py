"""Latency distribution of each stream against its SLO.

python plots/latency.py RUN [--out FILE]
"""

import sys

from moonjelly.reporting.figures import draw_latency
from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(
        rebuild("Latency distribution of each stream against its SLO.", "latency", draw_latency)
    )
