"""How far bandwidth estimates are off.

    python plots/estimators.py FOLDER [--out DIR]

FOLDER holds what benchmarks/estimators.py wrote.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("estimators", __doc__))
