"""Link, estimate, side and network of each stream over time.

    python plots/adaptation.py FOLDER [--out DIR]

FOLDER is that of a run.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("adaptation", __doc__))
