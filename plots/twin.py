"""Live runs against the same runs simulated.

    python plots/twin.py FOLDER [--out DIR]

FOLDER holds what benchmarks/twin.py wrote.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "twin"]))
