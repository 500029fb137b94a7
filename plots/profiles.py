"""A zoo on a device type: accuracy, latency and throughput of its variants.

    python plots/profiles.py FOLDER [--out DIR]

FOLDER is that of a zoo, such as profiles/traffic.
"""

import sys

from moonjelly.reporting.figures.script import rebuild

if __name__ == "__main__":
    sys.exit(rebuild("profiles", __doc__))
