"""Latency distributions over an experiment.

    python plots/latency_cdf.py FOLDER [--out DIR]

FOLDER is that of an experiment.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("latency_cdf", __doc__))
