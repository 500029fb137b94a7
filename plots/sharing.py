"""Shares of a device's time and energy against phi, measured and entitled.

    python plots/sharing.py FOLDER [--out DIR]

FOLDER is that of `moonjelly simulate sharing`.
"""

import sys

from moonjelly.cli import main

if __name__ == "__main__":
    sys.exit(main(["figures", *sys.argv[1:], "--only", "sharing"]))
