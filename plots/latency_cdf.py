"""Latency distributions over an experiment.

    python plots/latency_cdf.py FOLDER [--out DIR]

FOLDER is that of an experiment.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "latency_cdf"]))
