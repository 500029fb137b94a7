"""A zoo on a device type: accuracy, latency and throughput of its variants.

    python plots/profiles.py FOLDER [--out DIR]

FOLDER is that of a zoo, such as profiles/traffic.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "profiles"]))
