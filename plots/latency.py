"""Latency distribution of each stream against its SLO.

    python plots/latency.py FOLDER [--out DIR]

FOLDER is that of a run.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("latency", __doc__))
