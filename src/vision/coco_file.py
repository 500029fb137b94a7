"""COCO's annotations: what there is to find in pictures, or in the pictures of a video, as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.answers import Detections
from ..core.checks import echo, is_number
from ..core.errors import UsageError
from ..files.whole_file import write_whole
from .accuracy import FrameTruth, in_classes, to_dataset

FARTHEST_PX = 1e6


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One picture and what there is to find in it.

    Attributes:
        image_id: its number in the file.
        file_name: as the file has it.
        truth: by class id of the file's own names.
        scores: how sure each object is, float32 [n], 0 to 1; 1 where the file does not say.
    """

    image_id: int
    file_name: str
    truth: FrameTruth
    scores: npt.NDArray[np.float32]

    def known_to(self, class_names: Sequence[str], own: Sequence[str]) -> CocoImage:
        """The same by other names' class ids, less what these lack; `own` are the file's."""
        kept = np.isin(self.truth.class_ids, [k for k, one in enumerate(own) if one in class_names])
        truth = in_classes(self.truth, class_names, own)
        return CocoImage(self.image_id, self.file_name, truth, self.scores[kept])

    @property
    def detections(self) -> Detections:
        """What is asked for, as if it had been detected, best first."""
        rows = np.flatnonzero(~self.truth.is_ignored)
        rows = rows[np.argsort(-self.scores[rows], kind="stable")]
        return Detections(self.truth.boxes[rows], self.scores[rows], self.truth.class_ids[rows])


@dataclass(frozen=True, slots=True)
class CocoFile:
    """A file of annotations.

    Attributes:
        images: in the file's order.
        class_names: those of its categories, by class id.
        info: what it says of itself.
    """

    images: tuple[CocoImage, ...]
    class_names: tuple[str, ...]
    info: Mapping[str, Any]


def read_coco(path: Path, option: str) -> CocoFile:
    """Reads COCO's annotations; an annotation may have a `score`, too, as golden detections do.

    Raises:
        UsageError: naming the file (behind the option that named it), the entry and the rule.
    """
    document = _load(path, option)
    images, annotations, categories = (
        _entries(path, document, key) for key in ("images", "annotations", "categories")
    )
    class_of: dict[int, int] = {}
    for number, category in enumerate(categories):
        at = f"{path}: categories[{number}]"
        _field(at, category, "name", str)
        class_of[int(_field(at, category, "id", int))] = number
    rows: dict[int, list[_Row]] = {}
    sizes: dict[int, tuple[int, int, str]] = {}
    for number, image in enumerate(images):
        at = f"{path}: images[{number}]"
        width, height = (int(_field(at, image, key, int)) for key in ("width", "height"))
        if min(width, height) < 1:
            raise UsageError(f"{at}: width and height: must be at least 1")
        image_id = int(_field(at, image, "id", int))
        sizes[image_id] = (width, height, str(_field(at, image, "file_name", str)))
        rows[image_id] = []
    for number, one in enumerate(annotations):
        at = f"{path}: annotations[{number}]"
        image_id, category_id = (
            int(_field(at, one, key, int)) for key in ("image_id", "category_id")
        )
        if image_id not in rows:
            raise UsageError(f"{at}: image_id={image_id}: is no image of the file")
        if category_id not in class_of:
            raise UsageError(f"{at}: category_id={category_id}: is no category of the file")
        box = _box(at, one)
        area, score = one.get("area", box[2] * box[3]), one.get("score", 1.0)
        if not (is_number(area) and 0 <= area <= FARTHEST_PX**2):
            raise UsageError(f"{at}: area={echo(area)}: must be a number of pixels")
        if not (is_number(score) and 0 <= score <= 1):
            raise UsageError(f"{at}: score={echo(score)}: must be 0 to 1")
        is_crowd = bool(one.get("iscrowd", 0))
        rows[image_id].append(_Row(box, class_of[category_id], is_crowd, float(area), float(score)))
    return CocoFile(
        tuple(
            CocoImage(
                image_id, file_name, _truth(rows[image_id], width, height),
                np.array([row.score for row in rows[image_id]], np.float32),
            )
            for image_id, (width, height, file_name) in sizes.items()
        ),
        tuple(str(one["name"]) for one in categories),
        document["info"] if isinstance(document.get("info"), dict) else {},
    )  # fmt: skip


def write_coco(path: Path, file: CocoFile) -> None:
    """Writes annotations with their scores, whole or not at all; images are numbered from 1."""
    document = to_dataset([one.truth for one in file.images], file.class_names)
    document["info"] = dict(file.info)
    for entry, image in zip(document["images"], file.images, strict=True):
        entry["file_name"] = image.file_name
    scores = [score for one in file.images for score in one.scores.tolist()]
    for entry, score in zip(document["annotations"], scores, strict=True):
        entry["score"] = round(score, 4)
        entry["bbox"] = [round(part, 2) for part in entry["bbox"]]
        entry["area"] = round(entry["area"], 2)
    write_whole(path, json.dumps(document, allow_nan=False) + "\n")


class _Row(NamedTuple):
    """An object: x, y, width, height in pixels, and the rest."""

    box: list[float]
    class_id: int
    is_crowd: bool
    area: float
    score: float


def _load(path: Path, option: str) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{option} {path}: is no JSON, or cut off") from None
    if not isinstance(document, dict):
        raise UsageError(f"{option} {path}: must be an object with images, annotations, categories")
    return document


def _entries(path: Path, document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UsageError(f"{path}: {key}: must be a list of objects, as COCO has it")
    return found


def _field(at: str, entry: Mapping[str, Any], key: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
    value = entry.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {int: "a whole number", str: "text"}[kind]
        raise UsageError(f"{at}: {key}={echo(value)}: must be {words}")
    return value


def _box(at: str, entry: Mapping[str, Any]) -> list[float]:
    box = entry.get("bbox")
    is_box = isinstance(box, list) and len(box) == 4  # noqa: PLR2004
    if not is_box or not all(is_number(part) and abs(part) <= FARTHEST_PX for part in box or ()):
        raise UsageError(f"{at}: bbox={echo(box)}: must be [x, y, width, height] in pixels")
    return [float(part) for part in box or ()]


def _truth(rows: Sequence[_Row], width: int, height: int) -> FrameTruth:
    corners = np.array([[x, y, x + w, y + h] for (x, y, w, h), *_ in rows], np.float64)
    scale = np.array([width, height, width, height])
    return FrameTruth(
        (corners.reshape(-1, 4) / scale).astype(np.float32),
        np.array([row.class_id for row in rows], np.int32),
        np.array([row.is_crowd for row in rows], np.bool_),
        size_px=(width, height),
        areas_px=np.array([row.area for row in rows], np.float64),
    )
