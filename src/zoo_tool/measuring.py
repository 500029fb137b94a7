"""Measures how accurate a zoo's variants are along the true path: resized, encoded as JPEG, decoded, run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from ..core.answers import Answer, Detections, Labels
from ..core.errors import UsageError
from ..core.link import KBITS_PER_BYTE
from ..core.zoo import NetworkVariant, Task
from ..devices.detecting import PictureRunner
from ..files.table import read_table, write_table
from ..vision.accuracy import Accuracy, FrameTruth, evaluate_detections, evaluate_labels
from ..vision.preprocessing import decode_frame, encode_frame, fit_picture
from ..zoos import Metric, OpenedZoo, VariantRow, read_variant_rows, write_variants
from ..zoos.qualities import COLUMNS as QUALITY_COLUMNS
from ..zoos.qualities import FULL_QUALITY
from ..zoos.variants import COLUMNS
from .labels import LabelledPicture, read_image, read_labelled

SIZE_PERCENTILE = 95
GOLDEN_MIN_SCORE = 0.3
QUALITIES = (75, 60, 45)
NUM_QUALITY_VARIANTS = 4
WHOLE_PICTURE = np.array([[0, 0, 1, 1]], np.float32)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What variants are measured on.

    Attributes:
        pictures: with what there is to find in each.
        metric: what the accuracies are.
        source: one line that tells the pictures.
    """

    pictures: tuple[LabelledPicture, ...]
    metric: Metric
    source: str

    def digest(self, zoo: OpenedZoo) -> str:
        """Tells one measurement of a zoo from another, so that only a like one is continued."""
        parts = [self.metric, self.source, repr(zoo.zoo)]
        for one in self.pictures:
            truth = one.truth
            parts += [str(one.path), truth.boxes.tobytes().hex(), truth.class_ids.tobytes().hex()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def golden_truth(
    zoo: OpenedZoo, paths: Sequence[Path], on_picture: Callable[[str], None]
) -> list[LabelledPicture]:
    """What the golden variant is sure of in each picture, as if that were the truth.

    Raises:
        UsageError: if a picture cannot be read.
    """
    detect = PictureRunner(zoo, zoo.zoo.golden_variant.name)
    found: list[LabelledPicture] = []
    for path in paths:
        image = read_image(path)
        answer = detect(fit_picture(image, detect.side_px, detect.fit))
        if isinstance(answer, Labels):
            boxes, class_ids = WHOLE_PICTURE, answer.class_ids[:1]
        else:
            sure = answer.scores >= GOLDEN_MIN_SCORE
            boxes, class_ids = answer.boxes[sure], answer.class_ids[sure]
        is_ignored = np.zeros(len(class_ids), np.bool_)
        size_px = (image.shape[1], image.shape[0])
        found.append(LabelledPicture(path, FrameTruth(boxes, class_ids, is_ignored, size_px)))
        on_picture("golden")
    return found


def measure_variants(
    zoo: OpenedZoo,
    measurement: Measurement,
    on_picture: Callable[[str], None] = lambda _: None,
) -> list[VariantRow]:
    """Measures every variant and writes `variants.csv`, row by row; what an earlier run of the like measured stands.

    Raises:
        UsageError: if a picture cannot be read, or there is nothing to find in them.
        RunError: if a network cannot be loaded.
    """
    notes = {
        "source": measurement.source,
        "weights": zoo.digest,
        "measurement": measurement.digest(zoo),
    }
    draft = zoo.folder / ".variants-measured.csv"
    rows = _earlier(draft, notes)
    for variant in zoo.zoo.variants:
        if variant.name not in rows:
            rows[variant.name] = _measure(zoo, variant, measurement, on_picture)
            write_variants(draft, rows.values(), notes)
    write_variants(zoo.variants_path, rows.values(), notes)
    draft.unlink()
    return list(rows.values())


def _earlier(draft: Path, notes: dict[str, str]) -> dict[str, VariantRow]:
    """The rows of a run that was interrupted, if it measured the same."""
    try:
        if read_table(draft, COLUMNS).notes != notes:
            return {}
        return {row.variant: row for row in read_variant_rows(draft)}
    except UsageError:
        return {}


def _measure(
    zoo: OpenedZoo,
    variant: NetworkVariant,
    measurement: Measurement,
    on_picture: Callable[[str], None],
) -> VariantRow:
    answers, kbits = run_variant(zoo, variant, measurement.pictures, FULL_QUALITY, on_picture)
    found = _evaluate(zoo, measurement, answers)
    return VariantRow(
        variant.name, variant.network.name, variant.side_px, found.map, found.map50,
        found.map_small, found.map_medium, found.map_large, kbits, found.num_frames, measurement.metric,
    )  # fmt: skip


def _evaluate(zoo: OpenedZoo, measurement: Measurement, answers: Sequence[Answer]) -> Accuracy:
    """How accurate answers are; of labels, their top-1 accuracy stands in place of the mAP."""
    truth = [one.truth for one in measurement.pictures]
    if zoo.zoo.task is Task.DETECTION:
        boxes = [cast("Detections", one) for one in answers]
        return evaluate_detections(truth, boxes, zoo.zoo.class_names)
    found = evaluate_labels(truth, [cast("Labels", one) for one in answers])
    top1, num_frames = (0.0, 0) if found is None else (found.top1, found.num_frames)
    return Accuracy(top1, top1, None, None, None, num_frames, num_frames)


def run_variant(
    zoo: OpenedZoo,
    variant: NetworkVariant,
    pictures: Iterable[LabelledPicture],
    quality: int,
    on_picture: Callable[[str], None],
) -> tuple[list[Answer], float]:
    """What a variant says of each picture at a JPEG quality, and the usual high size of a frame (kbit)."""
    detect = PictureRunner(zoo, variant.name)
    answers: list[Answer] = []
    kbits: list[float] = []
    for one in pictures:
        jpeg = encode_frame(read_labelled(one), variant.side_px, quality, detect.fit)
        kbits.append(len(jpeg) * KBITS_PER_BYTE)
        answers.append(detect(decode_frame(jpeg, variant.side_px, detect.fit)))
        on_picture(variant.name)
    return answers, float(np.percentile(kbits, SIZE_PERCENTILE))


def measure_qualities(
    zoo: OpenedZoo,
    measurement: Measurement,
    on_picture: Callable[[str], None] = lambda _: None,
) -> None:
    """Measures a few variants at lower JPEG qualities, and writes `qualities.csv`; errors as above."""
    every = zoo.zoo.variants
    picked = np.linspace(0, len(every) - 1, min(len(every), NUM_QUALITY_VARIANTS) + 1)[1:]
    rows: list[tuple[object, ...]] = []
    for variant in (every[round(number)] for number in picked):
        for quality in (FULL_QUALITY, *QUALITIES):
            answers, kbits = run_variant(zoo, variant, measurement.pictures, quality, on_picture)
            found = _evaluate(zoo, measurement, answers)
            rows.append(
                (
                    variant.name,
                    quality,
                    f"{max(found.map, 1e-4):.4f}",
                    f"{kbits:.1f}",
                    found.num_frames,
                )
            )
    write_table(zoo.qualities_path, {"source": measurement.source}, QUALITY_COLUMNS, rows)
