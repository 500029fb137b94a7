"""What a picture with many candidates costs: the library's suppression beside the definition, in turns.

For each number of candidates, the time from a network's output to detections, p50 and p99 (ms), of the
worst of several crowds, with OpenCV's suppression and with one that follows the definition; their ratio;
whether both found the same; and what share of a batch of one frame a candidate-rich picture adds, for a
small, a middling and the largest variant of the zoo here.

    python benchmarks/postprocessing.py [--rounds 100]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from moonjelly.core.answers import Detections
from moonjelly.devices.detecting import PictureRunner
from moonjelly.vision import postprocessing
from moonjelly.vision.fits import Fitted
from moonjelly.vision.postprocessing import box_ious, select_detections
from moonjelly.zoos import open_zoo

CANDIDATES = (10, 100, 400, 2000)
CROWDS = (5, 30, 100, 1000)  # objects that the candidates lie around
CELLS, CLASSES = 3549, 4
OURS = postprocessing.suppress


def by_definition(
    boxes: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, max_iou: float, most: int
) -> np.ndarray:
    """Suppression over the whole matrix of overlaps, as it was before."""
    order = np.argsort(-scores, kind="stable")
    overlap = box_ious(boxes[order], boxes[order]) > max_iou
    overlap &= class_ids[order][:, None] == class_ids[order][None, :]
    is_kept = np.ones(len(order), np.bool_)
    for i in range(len(order)):
        if is_kept[i]:
            is_kept[i + 1 :] &= ~overlap[i, i + 1 :]
    return order[is_kept][:most]


def output(num_candidates: int, num_objects: int, rng: np.random.Generator) -> tuple:
    """Boxes and scores as a network gives them, so many of them sure."""
    boxes = rng.random((CELLS, 4), np.float32)
    scores = rng.random((CELLS, CLASSES), np.float32) * 0.04
    middles = rng.random((num_objects, 2))[rng.integers(0, num_objects, num_candidates)]
    middles += rng.normal(0, 0.004, middles.shape)
    half = rng.uniform(0.025, 0.05, middles.shape)
    cells = rng.choice(CELLS, num_candidates, replace=False)
    boxes[cells] = np.concatenate((middles - half, middles + half), axis=1)
    scores[cells, rng.integers(0, CLASSES, num_candidates)] = rng.uniform(0.1, 0.9, num_candidates)
    return boxes, scores


def timed(what: Callable[..., object], *arguments: object) -> float:
    """How long it takes (ms)."""
    start_ns = time.perf_counter_ns()
    what(*arguments)
    return (time.perf_counter_ns() - start_ns) / 1e6


def same(a: Detections, b: Detections) -> bool:
    """Whether both found the same boxes."""
    return np.array_equal(a.boxes, b.boxes) and np.array_equal(a.class_ids, b.class_ids)


def main() -> int:
    """Prints the table and writes it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/postprocessing.json"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    rows = []
    print("candidates   p50 / p99 (ms)   by definition (ms)   ratio   same")
    for num_candidates in CANDIDATES:
        worst = None
        for num_objects in CROWDS:
            given = output(num_candidates, num_objects, rng)
            took: dict[str, list[float]] = {"ours": [], "definition": []}
            found = {}
            for _ in range(arguments.rounds):
                for name, suppress in (("ours", OURS), ("definition", by_definition)):
                    postprocessing.suppress = suppress
                    took[name].append(timed(select_detections, *given))
                    found[name] = select_detections(*given)
            ours, definition = (np.percentile(took[name], (50, 99)) for name in took)
            row = {
                "candidates": num_candidates,
                "objects": num_objects,
                "p50_ms": ours[0],
                "p99_ms": ours[1],
                "definition_p50_ms": definition[0],
                "definition_p99_ms": definition[1],
                "same": same(found["ours"], found["definition"]),
            }
            if worst is None or ours[0] > worst["p50_ms"]:
                worst = row
        rows.append(worst)
        print(
            f"{num_candidates:10d}   {worst['p50_ms']:5.2f} / {worst['p99_ms']:5.2f}   "
            f"{worst['definition_p50_ms']:7.2f} / {worst['definition_p99_ms']:5.2f}   "
            f"{worst['definition_p50_ms'] / worst['p50_ms']:5.1f}   {worst['same']}"
        )
    postprocessing.suppress = OURS
    more_ms = rows[2]["p50_ms"] - rows[0]["p50_ms"]
    zoo = open_zoo("traffic")
    variants = zoo.zoo.variants
    for variant in (variants[0], variants[len(variants) // 3], variants[-1]):
        detect = PictureRunner(zoo, variant.name)
        blank = np.zeros((variant.side_px, variant.side_px, 3), np.uint8)
        picture = Fitted(blank, (variant.side_px, variant.side_px))
        batch_ms = float(np.median([timed(detect, picture) for _ in range(20)]))
        print(
            f"{variant.name}: 400 candidates rather than 10 add {more_ms:.2f} ms to a batch of one frame "
            f"of {batch_ms:.1f} ms: {more_ms / batch_ms:.1%}"
        )
        rows.append({"variant": variant.name, "batch_ms": batch_ms, "more_ms": more_ms})
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(rows, indent=1, default=float) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
