"""Link, estimate, side and network of each stream over time.

python plots/adaptation.py RUN [--out FILE]
"""

import sys

from moonjelly.reporting.figures import draw_adaptation
from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(
        rebuild(
            "Link, estimate, side and network of each stream over time.",
            "adaptation",
            draw_adaptation,
        )
    )
