"""The variant of each frame, above link and estimate, of two streams.

    python plots/following.py FOLDER [--out DIR]

FOLDER is that of a run, or of an experiment.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("following", __doc__))
