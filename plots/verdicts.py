"""Verdicts of each stream, second by second.

python plots/verdicts.py RUN [--out FILE]
"""

import sys

from moonjelly.reporting.figures import draw_verdicts
from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("Verdicts of each stream, second by second.", "verdicts", draw_verdicts))
