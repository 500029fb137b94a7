"""Joules an answered frame, and missed frames, over clients.

    python plots/joules.py FOLDER [--out DIR]

FOLDER is that of an experiment.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "joules"]))
