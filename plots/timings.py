"""Time of a plan against clients, both logarithmic.

    python plots/timings.py FOLDER [--out DIR]

FOLDER is that of `moonjelly simulate timings`.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "timings"]))
