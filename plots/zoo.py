"""A zoo on a device type: accuracy, latency and throughput of its variants.

    python plots/zoo.py PROFILE [--variants FILE] [--out FILE]

PROFILE is a table such as profiles/traffic/latency-cpu-1core.csv.
"""

import argparse
import sys
from pathlib import Path

from moonjelly.core.errors import MoonjellyError
from moonjelly.profiles import load_latency_profile, load_variants
from moonjelly.reporting.figures import draw_zoo, save_png


def main() -> int:
    """Draws the figure that the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Draws a zoo on a device type.", allow_abbrev=False
    )
    parser.add_argument("profile", type=Path, metavar="PROFILE", help="latency table")
    parser.add_argument("--variants", type=Path, help="default: variants.csv beside PROFILE")
    parser.add_argument("--out", type=Path, metavar="FILE", default=Path("zoo.png"))
    arguments = parser.parse_args()
    try:
        table = arguments.variants or arguments.profile.with_name("variants.csv")
        variants = load_variants(table)
        figure = draw_zoo(variants, load_latency_profile(arguments.profile, variants))
    except MoonjellyError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return error.exit_status
    save_png(figure, arguments.out)
    print(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
