"""What a client's ways to resize a picture take, and what they cost in accuracy, side by side in one run.

    python benchmarks/resizing.py [--scenes 40] [--frames 8]

Draws frames of the test scenes (1280 x 720), makes each as a client would (resize, encode) with the repository's way, with
OpenCV's area means and with its linear interpolation, and has the zoo's variants look at it. Times are the best of all
frames: other processes only ever make it slower.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Callable

import cv2
import numpy as np
import torch

from moonjelly.devices.detecting import PictureRunner
from moonjelly.vision.accuracy import evaluate_detections, truth_of
from moonjelly.vision.classes import TRAFFIC_CLASSES
from moonjelly.vision.fits import Image
from moonjelly.vision.preprocessing import decode_frame, resize
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import open_zoo

VARIANTS = {
    "traffic-n-160": 160,
    "traffic-n-224": 224,
    "traffic-n-320": 320,
    "traffic-s-416": 416,
    "traffic-s-608": 608,
}
FRAME_STRIDE = 23


def cv2_way(interpolation: int) -> Callable[[Image, int], Image]:
    """Resizes in one step."""
    return lambda image, side: cv2.resize(image, (side, side), interpolation=interpolation)


WAYS = {
    "area": cv2_way(cv2.INTER_AREA),
    "ours": lambda image, side: resize(image, (side, side)),
    "linear": cv2_way(cv2.INTER_LINEAR),
}


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--frames", type=int, default=8, help="of each scene")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    detectors = {name: PictureRunner(open_zoo("traffic"), name) for name in VARIANTS}
    truth, found, kbits = [], defaultdict(list), defaultdict(list)
    best_ms: dict[tuple[str, str], float] = defaultdict(lambda: math.inf)
    for seed in range(arguments.scenes):
        scene = Scene(seed, "test")
        for number in range(arguments.frames):
            frame = scene.frame(number * FRAME_STRIDE)
            truth.append(truth_of(frame))
            for name, side in VARIANTS.items():
                for way, reduce in WAYS.items():
                    start_s = time.perf_counter()
                    square = reduce(frame.image, side)
                    took_ms = 1000 * (time.perf_counter() - start_s)
                    best_ms[name, way] = min(best_ms[name, way], took_ms)
                    encoded = cv2.imencode(".jpg", square, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
                    kbits[name, way].append(len(encoded) * 8 / 1000)
                    picture = decode_frame(encoded.tobytes(), side)
                    found[name, way].append(detectors[name](picture))
    print(f"{len(truth)} frames\n\n| variant | way | ms | mAP | against area | kbit (p95) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in VARIANTS:
        scores = {
            way: evaluate_detections(truth, found[name, way], TRAFFIC_CLASSES).map for way in WAYS
        }
        for way, score in scores.items():
            size = float(np.percentile(kbits[name, way], 95))
            against = score - scores["area"]
            print(
                f"| {name} | {way} | {best_ms[name, way]:.2f} | {score:.4f} | {against:+.4f} | {size:.0f} |"
            )


if __name__ == "__main__":
    main()
