"""Energy of a frame and share in time against load, by policy, on boards with clocks.

    python plots/boards.py FOLDER [--out DIR]

FOLDER is that of `moonjelly simulate boards`.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "boards"]))
