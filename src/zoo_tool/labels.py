"""Reads labelled pictures: a folder of them and COCO's annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.checks import echo
from ..core.errors import UsageError
from ..vision.accuracy import FrameTruth, in_classes
from ..vision.coco_file import read_coco
from ..vision.fits import Image
from ..vision.picture_files import PICTURE_SUFFIXES, pictures_in, read_picture

MOST_SHOWN = 5


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
    file = read_coco(path, "--annotations")
    unknown = [name for name in file.class_names if name not in class_names]
    if len(unknown) == len(file.class_names):
        raise UsageError(
            f"{path}: categories: none is a class of the zoo; it has {_few(class_names)}, the file {_few(unknown)}"
        )
    pictures = [
        LabelledPicture(
            folder / one.file_name, in_classes(one.truth, class_names, file.class_names)
        )
        for one in file.images
        if _is_inside(path, folder, one.file_name)
    ][:limit]
    if not pictures:
        raise UsageError(f"{path}: images: none is in {folder}")
    notes = [f"{len(unknown)} categories are no classes of the zoo and left out: {_few(unknown)}"]
    return pictures, notes if unknown else []


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
