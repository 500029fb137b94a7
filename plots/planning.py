"""Time and gap of plans against the size of the problem, both logarithmic.

    python plots/planning.py FOLDER [--out DIR]

FOLDER has the tables of benchmarks/planning.py.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "planning"]))
