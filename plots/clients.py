"""Accuracy and missed frames over the number of clients.

    python plots/clients.py FOLDER [--out DIR]

FOLDER is that of an experiment.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("clients", __doc__))
