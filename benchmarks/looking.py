"""Measures what it takes to look at a frame for `detections_zoo`: encoded at each side as a client sends it, and golden.

`python benchmarks/looking.py traffic traffic-int8` prints processor time and time of each for 20 drawn frames, and what
every side of three minutes at 15 frame/s would take of two cores that have nothing else to do.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

from moonjelly.devices.remembered import Asked, RememberedDetections
from moonjelly.live_run.videos import Video, open_video
from moonjelly.zoos import open_zoo

NUM_FRAMES, NUM_WARM_UP = 20, 4
STREET_FRAMES, CORES = 3 * 60 * 15, 2


def measure(name: str, video: Video) -> None:
    """Prints a row for each side."""
    zoo = open_zoo(name)
    best = {one.input_side_px: one.name for one in zoo.variants}  # least accurate first
    looks = [*sorted(best.items()), (0, zoo.zoo.golden_variant.name)]
    finder = RememberedDetections(zoo)
    numbers = range(NUM_WARM_UP + NUM_FRAMES)
    video.encode_ahead(numbers, sorted(best), 90, zoo.zoo.fit)
    total_s = 0.0
    for side_px, variant in looks:
        for some in (numbers[:NUM_WARM_UP], numbers[NUM_WARM_UP:]):
            begun_s, processor_s = time.monotonic(), time.process_time()
            list(
                finder.find(
                    Asked(
                        variant,
                        video.encoded(one, side_px, 90, zoo.zoo.fit)
                        if side_px
                        else video.picture(one),
                    )
                    for one in some
                )
            )
            took_s = time.monotonic() - begun_s
            processor_s = time.process_time() - processor_s
        total_s += processor_s / NUM_FRAMES
        what = f"{side_px} px" if side_px else "golden"
        print(
            f"{what:>8} {variant}: {1000 * processor_s / NUM_FRAMES:.0f} ms of a core, "
            f"{1000 * took_s / NUM_FRAMES:.0f} ms passed"
        )
    minutes = STREET_FRAMES * total_s / CORES / 60
    print(
        f"{name}: {total_s:.2f} s of a core a frame, {minutes:.0f} min a street; load {os.getloadavg()}"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for asked in sys.argv[1:]:
            measure(asked, open_video("scene:3"))
