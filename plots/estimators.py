"""How far bandwidth estimates are off.

    python plots/estimators.py FOLDER [--out DIR]

FOLDER holds what benchmarks/estimators.py wrote.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "estimators"]))
