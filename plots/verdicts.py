"""Verdicts of each stream, second by second.

    python plots/verdicts.py FOLDER [--out DIR]

FOLDER is that of a run.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("verdicts", __doc__))
