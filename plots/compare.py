"""Planners against the proved optimum, by size.

    python plots/compare.py FOLDER [--out DIR]

FOLDER is that of `moonjelly simulate compare`.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "compare"]))
