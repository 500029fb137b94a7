"""Time of a plan against clients, both logarithmic.

    python plots/timings.py FOLDER [--out DIR]

FOLDER is that of `moonjelly simulate timings`.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("timings", __doc__))
