"""Planners against the proved optimum, by size.

    python plots/compare.py FOLDER [--out DIR]

FOLDER is that of `moonjelly simulate compare`.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("compare", __doc__))
