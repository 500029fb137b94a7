"""Where the time of answered frames went.

python plots/spent.py RUN [--out FILE]
"""

import sys

from moonjelly.reporting.figures import draw_spent
from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("Where the time of answered frames went.", "spent", draw_spent))
