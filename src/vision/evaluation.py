"""Measures how accurate a zoo is and how large its frames are on the link.

`python -m moonjelly.vision.evaluation --zoo traffic` writes `profiles/traffic/variants.csv`.
"""

from __future__ import annotations

import argparse
import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from .accuracy import Accuracy, FrameTruth, evaluate_detections
from .detections import Detections
from .preprocessing import decode_frame, encode_frame
from .scenes import Scene, SceneFrame, Split
from .zoo import ZOO_NAMES, TorchDetector, ZooVariant, build_detector, load_zoo

_LOG = logging.getLogger(__name__)

COLUMNS: Final = (
    "variant",
    "network",
    "input_side_px",
    "map",
    "map50",
    "map_small",
    "map_medium",
    "map_large",
    "frame_kbits",
    "num_frames",
)
JPEG_QUALITY: Final = 90
SIZE_PERCENTILE: Final = 95
_FRAME_STRIDE: Final = 23


@dataclass(frozen=True, slots=True)
class VariantScore:
    """What was measured of one variant.

    Attributes:
        accuracy: How well it detects.
        frame_kbits: 95th percentile of the encoded size of its frames (kbit).
    """

    accuracy: Accuracy
    frame_kbits: float


def scene_frames(split: Split, num_scenes: int, frames_each: int) -> Iterator[SceneFrame]:
    """Draws the frames that detectors are scored on, seconds apart within a scene."""
    for seed in range(num_scenes):
        scene = Scene(seed, split)
        for k in range(frames_each):
            yield scene.frame(k * _FRAME_STRIDE)


def truth_of(frame: SceneFrame) -> FrameTruth:
    """Returns what there is to find in a drawn frame."""
    height, width = frame.image.shape[:2]
    scale = np.array([width, height, width, height], np.float32)
    boxes = np.array([found.box_px for found in frame.objects], np.float32).reshape(-1, 4) / scale
    return FrameTruth(
        boxes.astype(np.float32),
        np.array([found.class_id for found in frame.objects], np.int32),
        np.array([found.is_ignored for found in frame.objects], np.bool_),
    )


def score_variants(
    detectors: dict[str, TorchDetector], frames: Iterator[SceneFrame]
) -> dict[str, VariantScore]:
    """Runs every detector on every frame along the true path: resized, encoded, decoded."""
    truth: list[FrameTruth] = []
    answers: dict[str, list[Detections | None]] = {name: [] for name in detectors}
    kbits: dict[int, list[float]] = {found.input_side_px: [] for found in detectors.values()}
    for number, frame in enumerate(frames, start=1):
        truth.append(truth_of(frame))
        squares = {}
        for side, sizes in kbits.items():
            encoded = encode_frame(frame.image, side, JPEG_QUALITY)
            sizes.append(len(encoded) * 8 / 1000)
            squares[side] = decode_frame(encoded, side)[None]
        for name, detector in detectors.items():
            answers[name].extend(detector(squares[detector.input_side_px]))
        if number % 50 == 0:
            _LOG.info("scored %d frames", number)
    return {
        name: VariantScore(
            evaluate_detections(truth, answers[name]),
            float(np.percentile(kbits[detector.input_side_px], SIZE_PERCENTILE)),
        )
        for name, detector in detectors.items()
    }


def write_scores(
    path: Path, variants: Sequence[ZooVariant], scores: dict[str, VariantScore]
) -> None:
    """Writes the table of a zoo, smallest input first."""

    def text(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for variant in variants:
            score = scores[variant.name]
            table.writerow(
                (
                    variant.name,
                    variant.network,
                    variant.input_side_px,
                    text(score.accuracy.map),
                    text(score.accuracy.map50),
                    text(score.accuracy.map_small),
                    text(score.accuracy.map_medium),
                    text(score.accuracy.map_large),
                    f"{score.frame_kbits:.1f}",
                    score.accuracy.num_frames,
                )
            )


def main(arguments: list[str] | None = None) -> None:
    """Measures every variant of a zoo on drawn test scenes and writes the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--zoo", choices=ZOO_NAMES, default=ZOO_NAMES[0])
    parser.add_argument("--scenes", type=int, default=40, help="test scenes")
    parser.add_argument("--frames", type=int, default=16, help="frames of each scene")
    parser.add_argument("--threads", type=int, default=1, help="threads of the tensor library")
    parser.add_argument("--output", type=Path, help="default: profiles/ZOO/variants.csv")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    zoo = load_zoo(options.zoo)
    detectors = {variant.name: build_detector(variant.name) for variant in zoo.variants}
    scores = score_variants(detectors, scene_frames("test", options.scenes, options.frames))
    output = options.output or Path("profiles") / zoo.name / "variants.csv"
    write_scores(output, zoo.variants, scores)
    for variant in zoo.variants:
        score = scores[variant.name]
        _LOG.info(
            "%-14s map %.3f map50 %.3f %7.1f kbit",
            variant.name,
            score.accuracy.map,
            score.accuracy.map50,
            score.frame_kbits,
        )


if __name__ == "__main__":
    main()
