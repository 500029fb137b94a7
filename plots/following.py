"""The variant of each frame, above link and estimate, of two streams.

    python plots/following.py FOLDER [--out DIR]

FOLDER is that of a run, or of an experiment.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "following"]))
