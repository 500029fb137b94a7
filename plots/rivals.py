"""Rival policies on accuracy against missed frames.

    python plots/rivals.py FOLDER [--out DIR]

FOLDER is that of an experiment.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "rivals"]))
