"""Shares of a device's time as one comes and goes, measured and entitled.

    python plots/arrival.py FOLDER [--out DIR]

FOLDER is that of `benchmarks/energy_time_fairness.py`.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "arrival"]))
