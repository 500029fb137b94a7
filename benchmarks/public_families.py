"""Whether our heads find in public detectors what another program finds: LibreYOLO, with networks of random weights.

LibreYOLO (MIT) builds each family, exports it to ONNX and says what it sees in drawn streets, with its own networks in torch and its own
postprocessing. Ours takes the file in as `moonjelly zoo add` does, and looks at the same pictures through ONNX Runtime. Of LibreYOLO's boxes
above a score of 0.3, how many have one of ours of the same class with an IoU of at least 0.99: among those that our head decodes, and among
those that are left after suppression; and how many of ours have none of theirs.

    python benchmarks/public_families.py [--environment FOLDER] [FAMILY...]

LibreYOLO has an environment of its own, made in the folder where it is missing (2 GB).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from moonjelly.core.answers import Detections
from moonjelly.core.errors import UsageError
from moonjelly.devices.detecting import SessionOpener
from moonjelly.devices.executors.session import Session
from moonjelly.vision.fits import in_picture, undo
from moonjelly.vision.heads.port import Decoded, Head
from moonjelly.vision.heads.registry import head_named
from moonjelly.vision.network_input import input_shape, write_input
from moonjelly.vision.postprocessing import (
    DEFAULT_MAX_IOU,
    DEFAULT_MIN_SCORE,
    MAX_DETECTIONS,
    box_ious,
    select,
)
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.vision.scenes import Scene
from moonjelly.zoo_tool.taking_in import put, take

REQUIREMENTS = (
    "torch==2.13.0",
    "torchvision==0.28.0",
    "libreyolo==1.6.0",
    "onnx>=1.17",
    "transformers>=5.1",
)
HALF = Path(__file__).with_name("public_families_reference.py")
RESULTS = Path(__file__).parent / "results" / "public_families.json"
SURE, MIN_IOU, BAR = 0.3, 0.99, 0.95
MARGIN = 0.02  # of a score: a box near the floor may be below it on the other side
SHAPES = ((1, 1), (16, 9), (3, 4))
ROW_STEP = 16  # of the inputs, every so many rows are compared


@dataclass(frozen=True, slots=True)
class Family:
    """A family as LibreYOLO builds it.

    Attributes:
        maker: LibreYOLO's class.
        size: of its networks.
        side_px: that it is exported with.
        is_stretched: its pictures are square here, so that neither side resizes them; those of others are padded.
        num_classes: a number that no other layer has.
        num_spare: columns of its last layer that are no class.
        is_one_label: LibreYOLO takes of a cell only the likeliest class, and so does the comparison.
        is_dynamic: exported for any batch; not where LibreYOLO's export bakes one in.
    """

    maker: str
    size: str
    side_px: int
    is_stretched: bool = True
    num_classes: int = 13
    num_spare: int = 0
    is_one_label: bool = False
    is_dynamic: bool = True


FAMILIES = {
    "YOLOX": Family("LibreYOLOX", "n", 416, is_stretched=False, is_one_label=True),
    "YOLOv9": Family("LibreYOLO9", "t", 416, is_stretched=False),
    "YOLOv9 end to end": Family("LibreYOLO9E2E", "t", 416, is_stretched=False),
    "YOLO-NAS": Family("LibreYOLONAS", "s", 416, is_stretched=False, is_one_label=True),
    "YOLO-NAS of 4 classes": Family("LibreYOLONAS", "s", 416, False, 4, is_one_label=True),
    "PP-YOLOE": Family("LibrePPYOLOE", "s", 416),
    "RT-DETR": Family("LibreRTDETR", "r18", 640),
    "RT-DETRv2": Family("LibreRTDETRv2", "r18", 640),
    "RT-DETRv4": Family("LibreRTDETRv4", "s", 640, is_dynamic=False),
    "D-FINE": Family("LibreDFINE", "n", 640, is_dynamic=False),
    "DEIM": Family("LibreDEIM", "n", 640, is_dynamic=False),
    "DEIMv2": Family("LibreDEIMv2", "atto", 320, is_dynamic=False),
    "DEIMv2 of DINOv3": Family("LibreDEIMv2", "s", 640, is_dynamic=False),
    "EC": Family("LibreEC", "s", 640, is_dynamic=False),
    "TinyFormer": Family("LibreTinyFormer", "s", 640, is_dynamic=False),
    "RF-DETR of COCO": Family("LibreRFDETR", "n", 384, num_classes=80, num_spare=11),
    "RF-DETR": Family("LibreRFDETR", "n", 384, num_spare=1),
}


def draw(out: Path, family: Family) -> list[str]:
    """Writes pictures of the family's side; returns their names."""
    names = []
    for number, shape in enumerate(SHAPES):
        sides = (1, 1) if family.is_stretched else shape
        size = [round(family.side_px * one / max(sides)) for one in sides]
        name = f"{number}-{size[0]}x{size[1]}.png"
        image = Scene(number, "val").frame(40 * number).image
        cv2.imwrite(str(out / name), cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        names.append(name)
    return names


def reference_python(folder: Path) -> Path:
    """LibreYOLO's interpreter; its environment is made if there is none."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making {folder}", flush=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
    return python


@dataclass(slots=True)
class Agreement:
    """How well boxes agree.

    Attributes:
        boxes: sure ones of theirs, of each picture at most as many as ours gives.
        decoded: those of them that our head decodes, whether they are suppressed then or not.
        same: those of them that ours has in the end.
        score_difference: the largest of those.
        our_boxes: sure ones of ours.
        ours_alone: those of them that theirs has not.
    """

    boxes: int = 0
    decoded: int = 0
    same: int = 0
    score_difference: float = 0.0
    our_boxes: int = 0
    ours_alone: int = 0

    def add(self, theirs: Detections, decoded: Decoded, ours: Detections) -> None:
        """Counts a picture; all boxes are fractions of it."""
        same = box_ious(theirs.boxes, ours.boxes) >= MIN_IOU
        same &= theirs.class_ids[:, None] == ours.class_ids[None]
        differences = np.abs(theirs.scores[:, None] - ours.scores[None])
        nearest = np.where(same, differences, np.inf).min(axis=1, initial=np.inf)
        is_sure = theirs.scores > SURE
        self.boxes += int(is_sure.sum())
        self.decoded += int((is_sure & is_decoded(theirs, decoded)).sum())
        is_same = is_sure & np.isfinite(nearest)
        self.same += int(is_same.sum())
        self.score_difference = max(self.score_difference, float(nearest[is_same].max(initial=0)))
        ours_sure = ours.scores > SURE + MARGIN
        self.our_boxes += int(ours_sure.sum())
        self.ours_alone += int((ours_sure & ~same.any(axis=0)).sum())


def is_decoded(theirs: Detections, decoded: Decoded) -> npt.NDArray[np.bool_]:
    """Of each box of theirs, whether a cell or query has it, with a score for its class that differs by the margin at most."""
    scores = decoded.scores
    if decoded.class_ids is None:
        of_class = scores[:, theirs.class_ids].T
    else:
        is_class = theirs.class_ids[:, None] == decoded.class_ids[None]
        of_class = np.where(is_class, scores[None], -1)
    is_score = np.abs(of_class - theirs.scores[:, None]) <= MARGIN
    return ((box_ious(theirs.boxes, decoded.boxes) >= MIN_IOU) & is_score).any(axis=1)


def surest(rows: npt.NDArray[np.float32]) -> Detections:
    """LibreYOLO's boxes of a picture, rows of corners, score and class: cut as ours are, without those outside, at most as many as ours gives."""
    rows = np.hstack((rows[:, :4].clip(0, 1), rows[:, 4:]))
    rows = rows[(rows[:, 2:4] > rows[:, :2]).all(axis=1)]
    rows = rows[np.argsort(-rows[:, 4], kind="stable")][:MAX_DETECTIONS]
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32))


def look(
    session: Session, head: Head, picture: npt.NDArray[np.uint8], is_one_label: bool
) -> tuple[Decoded, Detections]:
    """What our head decodes of a picture [side, side, 3], and what is left of it; boxes are fractions of the square."""
    batch = session.places(1)
    session.write(picture, batch[0])
    decoded = head.decode(session.infer(batch), session.side_px)
    if is_one_label:
        best = decoded.scores.max(axis=-1, keepdims=True)
        decoded = replace(decoded, scores=np.where(decoded.scores == best, best, 0))
    (found,) = select(decoded, head)
    class_ids = None if decoded.class_ids is None else decoded.class_ids[0]
    return Decoded(decoded.boxes[0], decoded.scores[0], class_ids), found


def compare(name: str, family: Family, out: Path) -> dict[str, object]:
    """Takes the file in and looks at the pictures; a row of the table."""
    slug = slug_of(name)
    try:
        taken = take(out / f"{slug}.onnx", "", (), None, {})
    except UsageError as error:
        return {"family": name, "refused": str(error).replace(f"{out}/", "")}
    zoo = put(f"{out / f'zoo-{slug}'}/", [taken])
    session = SessionOpener(zoo)(zoo.zoo.variants[0].name)
    reference = np.load(out / f"{slug}.npz")
    form, head = taken.network.input, head_named(taken.network.head)
    agreement, input_difference = Agreement(), 0.0
    for number, (their_input, picture) in enumerate(
        zip(reference["inputs"], draw(out, family), strict=True)
    ):
        fitted = fit_picture(cv2.imread(str(out / picture)), family.side_px, form.fit)
        given = np.empty(input_shape(family.side_px, form), np.float32)
        write_input(fitted.picture, form, given)
        difference = np.abs(given[:, ::ROW_STEP] - their_input).max() / np.ptp(their_input)
        input_difference = max(input_difference, float(difference))
        decoded, found = look(session, head, fitted.picture, family.is_one_label)
        shape = (fitted.source_size_px, family.side_px, form.fit)
        decoded = replace(decoded, boxes=undo(decoded.boxes, *shape).clip(0, 1))
        rows = reference["found"]
        theirs = surest(rows[rows[:, 0] == number, 1:])
        agreement.add(theirs, decoded, in_picture(found, *shape))
    return {
        "family": name,
        "layout": taken.notes[0].partition(": is ")[2].partition(" at ")[0],
        "head": head.name,
        "input_difference": input_difference,
        "decoded_ratio": agreement.decoded / max(agreement.boxes, 1),
        "same_ratio": agreement.same / max(agreement.boxes, 1),
        **asdict(agreement),
        "notes": [one.replace(f"{out}/", "") for one in taken.notes[1:]],
    }


def slug_of(name: str) -> str:
    """A name for files."""
    return name.lower().replace(" ", "-")


def job_of(name: str, family: Family, out: Path) -> dict[str, object]:
    """What LibreYOLO has to do for a family."""
    num_columns = family.num_classes + family.num_spare
    return {
        "name": slug_of(name),
        "maker": family.maker,
        "size": family.size,
        "side_px": family.side_px,
        "class_names": [f"thing-{number}" for number in range(family.num_classes)],
        "num_columns": num_columns,
        "built_classes": num_columns - (family.num_spare > 0),  # it adds one itself
        "is_dynamic": family.is_dynamic,
        "pictures": draw(out, family),
        "min_score": DEFAULT_MIN_SCORE,
        "max_iou": DEFAULT_MAX_IOU,
        "row_step": ROW_STEP,
    }


def main() -> int:
    """Prints a table and writes it down; fails if a family is below the bar."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument(
        "--environment", type=Path, default=Path(tempfile.gettempdir()) / "moonjelly-libreyolo"
    )
    parser.add_argument("--keep", type=Path, help="folder for the networks; else they are removed")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    names = arguments.families or list(FAMILIES)
    python = reference_python(arguments.environment)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        out = (arguments.keep or Path(temporary)).resolve()
        out.mkdir(parents=True, exist_ok=True)
        jobs = [job_of(name, FAMILIES[name], out) for name in names]
        (out / "jobs.json").write_text(json.dumps(jobs))
        subprocess.run([python, HALF, out], check=True)
        built = json.loads((out / "built.json").read_text())
        print(
            "\n| family | layout | input differs by | boxes | decoded | found | score differs by | ours, alone |"
        )
        print(f"|{' --- |' * 8}")
        for name in names:
            if slug_of(name) in built["failed"]:
                rows.append({"family": name, "not_built": built["failed"][slug_of(name)]})
                print(f"| {name} | not built: {rows[-1]['not_built']} | | | | | | |")
                continue
            row = compare(name, FAMILIES[name], out)
            rows.append(row)
            if "refused" in row:
                print(f"| {name} | refused: {row['refused']} | | | | | | |", flush=True)
                continue
            print(
                f"| {name} | {row['layout']} | {row['input_difference']:.1e} | {row['boxes']} | {row['decoded_ratio']:.1%} | {row['same_ratio']:.1%} "
                f"| {row['score_difference']:.1e} | {row['our_boxes']}, {row['ours_alone']} |",
                flush=True,
            )
    facts = built["versions"] | {
        "onnxruntime": version("onnxruntime"),
        "date": time.strftime("%Y-%m-%d"),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")
    return 0 if all(row.get("same_ratio", 0) >= BAR for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
