"""Rival policies on accuracy against missed frames.

    python plots/rivals.py FOLDER [--out DIR]

FOLDER is that of an experiment.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("rivals", __doc__))
