"""Measures how accurate a zoo is and how large its frames are on the link.

`python -m moonjelly.training.evaluation --zoo traffic` writes `profiles/traffic/variants.csv`.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch

from ..core.link import KBITS_PER_BYTE
from ..vision.accuracy import FrameTruth, evaluate_detections, truth_of
from ..vision.detections import Detections
from ..vision.preprocessing import decode_frame, encode_frame
from ..vision.scenes import Scene, SceneFrame, Split
from ..vision.zoo import ZOO_NAMES, TorchDetector, ZooVariant, build_detector, load_zoo
from ..zoos import VariantRow, write_variants

_LOG = logging.getLogger(__name__)

JPEG_QUALITY: Final = 90
SIZE_PERCENTILE: Final = 95
_FRAME_STRIDE: Final = 23


@dataclass(frozen=True, slots=True)
class Answers:
    """What detectors said to a series of frames.

    Attributes:
        truth: What there was to find in each frame.
        detections: By variant, the answer for each frame.
        kbits: By input side, the encoded size of each frame (kbit).
    """

    truth: list[FrameTruth]
    detections: dict[str, list[Detections | None]]
    kbits: dict[int, list[float]]


def scene_frames(split: Split, seeds: Sequence[int], frames_each: int) -> Iterator[SceneFrame]:
    """Draws the frames that detectors are scored on, seconds apart within a scene."""
    for seed in seeds:
        scene = Scene(seed, split)
        for k in range(frames_each):
            yield scene.frame(k * _FRAME_STRIDE)


def answer_frames(
    detectors: dict[str, TorchDetector], frames: Iterator[SceneFrame], quality: int = JPEG_QUALITY
) -> Answers:
    """Runs every detector on every frame along the true path: resized, encoded, decoded."""
    answers = Answers(
        truth=[],
        detections={name: [] for name in detectors},
        kbits={detector.input_side_px: [] for detector in detectors.values()},
    )
    for frame in frames:
        answers.truth.append(truth_of(frame))
        squares = {}
        for side, sizes in answers.kbits.items():
            encoded = encode_frame(frame.image, side, quality)
            sizes.append(len(encoded) * KBITS_PER_BYTE)
            squares[side] = decode_frame(encoded, side)[None]
        for name, detector in detectors.items():
            answers.detections[name].extend(detector(squares[detector.input_side_px]))
    return answers


def _answer_scenes(
    variant_names: Sequence[str], split: Split, seeds: Sequence[int], frames_each: int, quality: int
) -> Answers:
    """Does a worker's share: builds the variants and runs them on its scenes."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    detectors = {name: build_detector(name) for name in variant_names}
    return answer_frames(detectors, scene_frames(split, seeds, frames_each), quality)


def answer_scenes(
    variant_names: Sequence[str],
    split: Split,
    num_scenes: int,
    frames_each: int,
    num_workers: int = 1,
    quality: int = JPEG_QUALITY,
) -> Answers:
    """Runs shipped variants on drawn scenes, in several processes."""
    merged = Answers([], {name: [] for name in variant_names}, {})
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context) as workers:
        shares = [
            workers.submit(_answer_scenes, variant_names, split, [seed], frames_each, quality)
            for seed in range(num_scenes)
        ]
        for number, share in enumerate(shares, start=1):
            part = share.result()
            merged.truth.extend(part.truth)
            for name, found in part.detections.items():
                merged.detections[name].extend(found)
            for side, sizes in part.kbits.items():
                merged.kbits.setdefault(side, []).extend(sizes)
            _LOG.info("%d of %d scenes", number, num_scenes)
    return merged


def score_variants(answers: Answers, variants: Iterable[ZooVariant]) -> list[VariantRow]:
    """Scores the answers of each variant, as rows of a zoo's table."""
    rows = []
    for variant in variants:
        found = evaluate_detections(answers.truth, answers.detections[variant.name])
        kbits = float(np.percentile(answers.kbits[variant.input_side_px], SIZE_PERCENTILE))
        rows.append(
            VariantRow(
                variant.name, variant.network, variant.input_side_px, found.map, found.map50,
                found.map_small, found.map_medium, found.map_large, kbits, found.num_frames,
            )
        )  # fmt: skip
    return rows


def measuring_parser(description: str | None, file: str) -> argparse.ArgumentParser:
    """The options of what measures a zoo on drawn test scenes and writes a table of it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--zoo", choices=ZOO_NAMES, default=ZOO_NAMES[0])
    parser.add_argument("--scenes", type=int, default=40, help="test scenes")
    parser.add_argument("--frames", type=int, default=16, help="frames of each scene")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--output", type=Path, help=f"default: profiles/ZOO/{file}")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Measures every variant of a zoo on drawn test scenes and writes the table."""
    options = measuring_parser(main.__doc__, "variants.csv").parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    variants = load_zoo(options.zoo).variants
    names = [variant.name for variant in variants]
    answers = answer_scenes(names, "test", options.scenes, options.frames, options.workers)
    rows = score_variants(answers, variants)
    write_variants(options.output or Path("profiles", options.zoo, "variants.csv"), rows, {})
    for row in rows:
        _LOG.info(
            "%-14s map %.3f map50 %.3f %7.1f kbit", row.variant, row.map, row.map50, row.frame_kbits
        )


if __name__ == "__main__":
    main()
