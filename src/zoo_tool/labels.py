"""Reads labelled pictures: a folder of them and COCO's annotations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.checks import echo, is_number
from ..core.errors import UsageError
from ..vision.accuracy import FrameTruth
from ..vision.fits import Image
from ..vision.picture_files import PICTURE_SUFFIXES, pictures_in, read_picture

MOST_SHOWN = 5
FARTHEST_PX = 1e6


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture file and what there is to find in it."""

    path: Path
    truth: FrameTruth


def pictures_of(folder: Path, limit: int | None = None) -> list[Path]:
    """The pictures of a folder by name.

    Raises:
        UsageError: if there are none.
    """
    try:
        found = pictures_in(folder)
    except OSError as error:
        raise UsageError(f"--images {folder}: {error.strerror}") from None
    if not found:
        raise UsageError(f"--images {folder}: holds no picture ({', '.join(PICTURE_SUFFIXES)})")
    return found[:limit]


def read_image(path: Path) -> Image:
    """Reads a picture; UsageError naming the file if it is none."""
    try:
        return read_picture(path)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: is no picture that can be read: {words}") from None


def read_labelled(one: LabelledPicture) -> Image:
    """Reads a picture, which must have the size that its labels are for.

    Raises:
        UsageError: naming the file.
    """
    image = read_image(one.path)
    height, width = image.shape[:2]
    if one.truth.size_px != (width, height):
        said = " x ".join(map(str, one.truth.size_px))
        raise UsageError(f"{one.path}: is {width} x {height} px, its labels are for {said}")
    return image


def read_annotations(
    path: Path, folder: Path, class_names: Sequence[str], limit: int | None = None
) -> tuple[list[LabelledPicture], list[str]]:
    """Reads COCO's annotations; returns the pictures that are there, in the file's order, and notes for people.

    Categories are told by their names. Those that no network of the zoo knows are left out, and noted.

    Raises:
        UsageError: naming the file, the entry and the rule.
    """
    document = _load(path)
    images, annotations, categories = (
        _entries(path, document, key) for key in ("images", "annotations", "categories")
    )
    ids = {one: number for number, one in enumerate(class_names)}
    class_of: dict[int, int | None] = {}
    for number, category in enumerate(categories):
        at = f"{path}: categories[{number}]"
        name = str(_field(at, category, "name", str))
        class_of[int(_field(at, category, "id", int))] = ids.get(name)
    unknown = [str(one.get("name")) for one in categories if ids.get(str(one.get("name"))) is None]
    if len(unknown) == len(categories):
        raise UsageError(
            f"{path}: categories: none is a class of the zoo; it has {_few(class_names)}, the file {_few(unknown)}"
        )
    boxes: dict[int, list[tuple[list[float], int, bool, float]]] = {}
    sizes: dict[int, tuple[int, int, str]] = {}
    for number, image in enumerate(images):
        at = f"{path}: images[{number}]"
        width, height = (int(_field(at, image, key, int)) for key in ("width", "height"))
        if min(width, height) < 1:
            raise UsageError(f"{at}: width and height: must be at least 1")
        image_id = int(_field(at, image, "id", int))
        sizes[image_id] = (width, height, str(_field(at, image, "file_name", str)))
        boxes[image_id] = []
    for number, one in enumerate(annotations):
        at = f"{path}: annotations[{number}]"
        image_id, category_id = (
            int(_field(at, one, key, int)) for key in ("image_id", "category_id")
        )
        if image_id not in boxes:
            raise UsageError(f"{at}: image_id={image_id}: is no image of the file")
        if category_id not in class_of:
            raise UsageError(f"{at}: category_id={category_id}: is no category of the file")
        class_id = class_of[category_id]
        box = _box(at, one)
        if class_id is not None:
            area = one.get("area", box[2] * box[3])
            if not (is_number(area) and 0 <= area <= FARTHEST_PX**2):
                raise UsageError(f"{at}: area={echo(area)}: must be a number of pixels")
            boxes[image_id].append((box, class_id, bool(one.get("iscrowd", 0)), float(area)))
    pictures = [
        LabelledPicture(folder / file, _truth(boxes[image_id], width, height))
        for image_id, (width, height, file) in sizes.items()
        if _is_inside(path, folder, file)
    ][:limit]
    if not pictures:
        raise UsageError(f"{path}: images: none is in {folder}")
    notes = [f"{len(unknown)} categories are no classes of the zoo and left out: {_few(unknown)}"]
    return pictures, notes if unknown else []


def _load(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--annotations {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"--annotations {path}: is no JSON, or cut off") from None
    if not isinstance(document, dict):
        raise UsageError(
            f"--annotations {path}: must be an object with images, annotations, categories"
        )
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


def _truth(
    rows: Sequence[tuple[list[float], int, bool, float]], width: int, height: int
) -> FrameTruth:
    corners = np.array([[x, y, x + w, y + h] for (x, y, w, h), *_ in rows], np.float64)
    scale = np.array([width, height, width, height])
    return FrameTruth(
        (corners.reshape(-1, 4) / scale).astype(np.float32),
        np.array([class_id for _, class_id, _, _ in rows], np.int32),
        np.array([is_crowd for _, _, is_crowd, _ in rows], np.bool_),
        size_px=(width, height),
        areas_px=np.array([area for *_, area in rows], np.float64),
    )


def _is_inside(path: Path, folder: Path, file: str) -> bool:
    """Whether a picture is there; one that is named outside the folder is an error."""
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise UsageError(
            f"{path}: images: file_name={echo(file)}: must lie in the folder of images"
        )
    return (folder / file).is_file()


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(echo(name) for name in names[:MOST_SHOWN])
    return shown + (" ..." if len(names) > MOST_SHOWN else "")
