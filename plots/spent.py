"""Where the time of answered frames went.

    python plots/spent.py FOLDER [--out DIR]

FOLDER is that of a run.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("spent", __doc__))
