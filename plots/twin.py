"""Live runs against the same runs simulated.

    python plots/twin.py FOLDER [--out DIR]

FOLDER holds what benchmarks/twin.py wrote.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("twin", __doc__))
