"""Verdicts of each stream, second by second.

    python plots/verdicts.py FOLDER [--out DIR]

FOLDER is that of a run.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "verdicts"]))
