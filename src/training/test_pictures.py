"""Draws the pictures that the shipped zoos are measured on, with their labels as COCO has them.

`python -m moonjelly.training.test_pictures --output data/test` writes `images/` and `annotations.json`; with `--crops`, of single
vehicles, which classifiers learn from as well.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2

from ..vision.classes import TRAFFIC_CLASSES
from ..vision.fits import Image
from ..vision.scenes import Scene, Split
from ..vision.scenes.crops import vehicle_crops

FRAME_STRIDE = 23  # seconds apart within a scene
MOST_CROPS = 6  # of a class in a scene: cars are many, and chance is to be a quarter

Box = tuple[float, float, float, float]
"""Corners in pixels."""


class _Pictures:
    """A folder of pictures, and what is in them."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        (output / "images").mkdir(parents=True, exist_ok=True)

    def add(self, name: str, image: Image, objects: Iterable[tuple[int, Box, bool]]) -> None:
        """Writes a picture with the class and box of each object, and whether it is one not asked for."""
        file, (height, width) = f"{name}.png", image.shape[:2]
        cv2.imwrite(str(self._output / "images" / file), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        number = len(self._images) + 1
        self._images.append({"id": number, "width": width, "height": height, "file_name": file})
        self._annotations += [
            {
                "id": len(self._annotations) + k,
                "image_id": number,
                "category_id": class_id + 1,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "iscrowd": int(is_ignored),
            }
            for k, (class_id, (x0, y0, x1, y1), is_ignored) in enumerate(objects, start=1)
        ]

    def write(self) -> None:
        """Writes the labels."""
        document = {
            "images": self._images,
            "annotations": self._annotations,
            "categories": [{"id": k, "name": name} for k, name in enumerate(TRAFFIC_CLASSES, 1)],
        }
        (self._output / "annotations.json").write_text(json.dumps(document), encoding="utf-8")


def draw_test_pictures(
    output: Path, num_scenes: int, frames_each: int, split: Split = "test"
) -> None:
    """Draws frames of scenes; what is hardly to be seen is a crowd, which counts neither when found nor when missed."""
    pictures = _Pictures(output)
    for seed in range(num_scenes):
        scene = Scene(seed, split)
        for k in range(frames_each):
            frame = scene.frame(k * FRAME_STRIDE)
            objects = ((one.class_id, one.box_px, one.is_ignored) for one in frame.objects)
            pictures.add(f"{seed:03}-{k:02}", frame.image, objects)
    pictures.write()


def draw_crops(output: Path, num_scenes: int, frames_each: int, split: Split = "test") -> None:
    """Draws single vehicles, at most `MOST_CROPS` of a class in a scene, each as large as its picture."""
    pictures = _Pictures(output)
    for seed in range(num_scenes):
        scene, seen = Scene(seed, split), Counter[int]()
        for k in range(frames_each):
            for image, class_id in vehicle_crops(scene.frame(k * FRAME_STRIDE)):
                if seen[class_id] == MOST_CROPS:
                    continue
                seen[class_id] += 1
                height, width = image.shape[:2]
                name = f"{seed:03}-{TRAFFIC_CLASSES[class_id]}-{seen[class_id]}"
                pictures.add(name, image, [(class_id, (0, 0, width, height), False)])
    pictures.write()


def main(arguments: list[str] | None = None) -> None:
    """Draws pictures and writes their labels."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=Path("data/test"), metavar="DIR")
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--frames", type=int, default=16, help="of each scene")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument("--crops", action="store_true", help="single vehicles, not whole frames")
    options = parser.parse_args(arguments)
    draw = draw_crops if options.crops else draw_test_pictures
    draw(options.output, options.scenes, options.frames, options.split)


if __name__ == "__main__":
    main()
