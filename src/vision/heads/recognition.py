"""Which head a network has, and what it takes: told from its metadata, the names and the shapes of what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...core.checks import echo
from ...core.errors import UsageError
from ...core.zoo import Colour, Fit, InputFormat, Task
from . import boxes_scores, cells, detr, nanodet, one_to_one, ssd, yolov4, yolov5, yolov8, yolox
from .exporters import IMAGENET_MEAN, IMAGENET_STD, told_class_names, told_input, told_layouts

Shape = tuple[int | None, ...]
"""Lengths of the axes; None for any."""

SIZES_INPUT = "orig_target_sizes"
DETR_NAMES = ("pred_logits", "pred_boxes")
MAX_ROWS_OF_ONE_TO_ONE = 1000
FLOATS = ("float32", "float16")

EXPORT_AGAIN = "export it again with a dynamic batch, or with a batch of 1"


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """What a file says of something that goes in or out; `dtype` as NumPy calls it."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What a file says of its network."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recognised:
    """How a network is run.

    Attributes:
        layout: its name.
        head: name of the head; empty for a classifier.
        task: what it does.
        input: what it takes.
        side_px: of its square; None for any.
        max_batch_size: the most pictures at once; None for any.
        num_classes: None where its outputs do not tell.
        class_names: None where its metadata do not tell.
        needs_trial: whether only a run tells if the head is `yolox` or `yolox_raw`.
    """

    layout: str
    head: str
    task: Task
    input: InputFormat
    side_px: int | None
    max_batch_size: int | None
    num_classes: int | None
    class_names: tuple[str, ...] | None
    needs_trial: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """A family's way: `fits` takes outputs and the side and returns the number of classes, 0 if unknown, None if they do not fit."""

    name: str
    head: str
    input: InputFormat
    fits: Callable[[Sequence[TensorFacts], int | None], int | None]


def recognise(
    file: str, facts: NetworkFacts, layout: str = "", num_names: int | None = None
) -> Recognised:
    """Tells how a network is run; `layout` says it where several would do, or none is found.

    `num_names` is the number of classes that its user has named.

    Raises:
        UsageError: naming the file, what was found, and what can be done.
    """
    picture = _picture_input(file, facts)
    batch, side_px, is_nhwc = _shape(file, picture)
    known = {one.name: one for one in LAYOUTS}
    if layout and layout not in known:
        raise UsageError(f"--layout={echo(layout)}: must be one of {', '.join(known)}")
    fitting = {one.name: one.fits(facts.outputs, side_px) for one in LAYOUTS}
    names = [name for name, classes in fitting.items() if classes is not None]
    seen = ", ".join(f"{one.name} {_text(one.shape)}" for one in facts.outputs)
    if layout:
        if layout not in names:
            raise UsageError(f"{file}: --layout={layout}: does not fit its outputs: {seen}")
        names = [layout]
    names = told_layouts(facts.metadata, names, bool(layout))
    if not names:
        raise UsageError(
            f"{file}: outputs {seen} are of no known layout; known are {', '.join(known)}; name one with --layout"
        )
    if len(names) > 1:
        raise UsageError(
            f"{file}: outputs {seen} may be {' or '.join(names)}: say which with --layout"
        )
    chosen = known[names[0]]
    class_names = told_class_names(facts.metadata)
    num_told = None if class_names is None else len(class_names)
    head, num_classes = chosen.head, fitting[chosen.name] or num_told
    num_meant = num_names or num_told
    if head == detr.RFDETR_HEAD.name and num_meant is not None and num_classes == num_meant + 1:
        head, num_classes = detr.RFDETR_SPARE_HEAD.name, num_meant
    if num_names is None and num_told not in (None, num_classes):
        raise UsageError(
            f"{file}: has scores of {num_classes} classes and names of {num_told}: give the right ones with --classes"
        )
    return Recognised(
        layout=chosen.name,
        head=head,
        task=Task.DETECTION if chosen.head else Task.CLASSIFICATION,
        input=_as_stored(told_input(facts.metadata, chosen.input), picture.dtype, is_nhwc),
        side_px=side_px,
        max_batch_size=batch,
        num_classes=num_classes,
        class_names=class_names,
        needs_trial=chosen.head == yolox.RAW_HEAD.name,
    )


def _picture_input(file: str, facts: NetworkFacts) -> TensorFacts:
    pictures = [one for one in facts.inputs if len(one.shape) == 4]  # noqa: PLR2004
    others = [one.name for one in facts.inputs if one not in pictures and one.name != SIZES_INPUT]
    if len(pictures) != 1 or others:
        seen = ", ".join(f"{one.name} {_text(one.shape)}" for one in facts.inputs)
        raise UsageError(f"{file}: takes {seen}: must take one picture, [batch, 3, side, side]")
    (picture,) = pictures
    if picture.dtype not in (*FLOATS, "uint8"):
        raise UsageError(
            f"{file}: input {picture.name} is {picture.dtype}: must be float32, float16 or uint8; export it again"
        )
    return picture


def _shape(file: str, picture: TensorFacts) -> tuple[int | None, int | None, bool]:
    """The batch and the side, None for any, and whether channels come last."""
    batch, *rest = picture.shape
    is_nhwc = rest[2] == 3 and rest[0] != 3  # noqa: PLR2004
    channels, height, width = (rest[2], rest[0], rest[1]) if is_nhwc else rest
    if channels not in (3, None):
        raise UsageError(
            f"{file}: input {picture.name} {_text(picture.shape)}: must have 3 channels"
        )
    if height != width:
        raise UsageError(
            f"{file}: input {picture.name} {_text(picture.shape)}: must be as wide as high; export it again with a square input"
        )
    if batch is not None and batch != 1:
        raise UsageError(f"{file}: takes exactly {batch} pictures at once: {EXPORT_AGAIN}")
    return batch, height, is_nhwc


def _as_stored(form: InputFormat, dtype: str, is_nhwc: bool) -> InputFormat:
    """Bytes go in as they are: what they are divided by is inside."""
    if dtype == "uint8":
        return InputFormat(form.fit, form.colour, scale=1.0, is_uint8=True, is_nhwc=is_nhwc)
    return replace(form, is_nhwc=is_nhwc)


def _text(shape: Shape) -> str:
    return "[" + ", ".join("any" if one is None else str(one) for one in shape) + "]"


def _is_count(
    rows: int | None, side_px: int | None, strides: Sequence[int], times: int = 1
) -> bool:
    """Whether so many rows are those of all cells; what is not known may be."""
    if rows is None or side_px is None:
        return True
    return rows == times * sum((-(-side_px // stride)) ** 2 for stride in strides)


def _rows(
    strides: Sequence[int], times: int, extra: int, *, is_transposed: bool = False
) -> Callable[[Sequence[TensorFacts], int | None], int | None]:
    """Fits one output [b, n, extra + classes], or with its last axes the other way round."""

    def fits(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
        if len(outputs) != 1 or len(outputs[0].shape) != 3:  # noqa: PLR2004
            return None
        _, rows, columns = outputs[0].shape
        if is_transposed:
            rows, columns = columns, rows
        if columns is None or columns <= extra or (rows or columns) < columns:
            return None
        return columns - extra if _is_count(rows, side_px, strides, times) else None

    return fits


def _fits_one_to_one(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
    if len(outputs) != 1 or len(outputs[0].shape) != 3:  # noqa: PLR2004
        return None
    _, rows, columns = outputs[0].shape
    return 0 if columns == 6 and 1 < (rows or 0) <= MAX_ROWS_OF_ONE_TO_ONE else None  # noqa: PLR2004


def _fits_yolov4(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
    boxes = [one for one in outputs if len(one.shape) == 4 and one.shape[2:] == (1, 4)]  # noqa: PLR2004
    scores = [one for one in outputs if len(one.shape) == 3]  # noqa: PLR2004
    return scores[0].shape[2] or 0 if len(boxes) == len(scores) == 1 else None


def _columns(name: str, outputs: Sequence[TensorFacts]) -> int:
    """The columns of an output by its name; 0 where any may be."""
    return next(one.shape[-1] or 0 for one in outputs if one.name == name)


def _named(
    *names: str, scores: str = ""
) -> Callable[[Sequence[TensorFacts], int | None], int | None]:
    """Fits outputs of exactly these names, one of which may have a column for each class."""

    def fits(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
        if sorted(one.name.partition(":")[0] for one in outputs) != sorted(names):
            return None
        return _columns(scores, outputs) if scores else 0

    return fits


def _fits_rfdetr(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
    columns = _named("dets", "labels", scores="labels")(outputs, side_px)
    return 80 if columns == detr.COCO_IDS else columns  # without the ids that COCO does not use


def _fits_detr_logits(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
    """The names alone are no proof: LibreYOLO gives them to corners and scores of YOLO-NAS, in turn."""
    found = _named(*DETR_NAMES, scores="pred_logits")(outputs, side_px)
    return None if found is None or _columns("pred_boxes", outputs) not in (0, 4) else found


def _fits_boxes_scores(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
    shapes, names = [one.shape for one in outputs], {one.name for one in outputs}
    if len(shapes) != 2 or any(len(shape) != 3 for shape in shapes):  # noqa: PLR2004
        return None
    if names & {"dets", cells.BOXES} or (side_px is None and names & set(DETR_NAMES)):
        return None
    columns = [shape[2] for shape in shapes]
    if 4 not in columns or not all(_is_count(shape[1], side_px, (8, 16, 32)) for shape in shapes):  # noqa: PLR2004
        return None
    columns.remove(4)
    return columns[0] or 0


def _fits_nanodet_split(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
    if len(outputs) != 2 * len(nanodet.STRIDES):
        return None
    columns = [one.shape[-1] for one in outputs if one.shape]
    own = [one for one in columns if one != 4 * nanodet.NUM_BINS]
    return own[0] if len(own) == len(nanodet.STRIDES) and len(set(own)) == 1 else None


def _fits_classifier(outputs: Sequence[TensorFacts], side_px: int | None) -> int | None:
    is_one = len(outputs) == 1 and len(outputs[0].shape) == 2  # noqa: PLR2004
    return outputs[0].shape[1] or 0 if is_one else None


_FITS_YOLOV8 = _rows((8, 16, 32), 1, 4, is_transposed=True)
_RGB_LETTERBOX = InputFormat(Fit.LETTERBOX)
_BYTES_BGR = InputFormat(Fit.LETTERBOX_TOP_LEFT, Colour.BGR, scale=1.0)
_NANODET = InputFormat(
    Fit.STRETCH,
    Colour.BGR,
    scale=1.0,
    mean=(103.53, 116.28, 123.675),
    std=(57.375, 57.12, 58.395),
)
_IMAGENET = InputFormat(mean=IMAGENET_MEAN, std=IMAGENET_STD)
_SSD = (ssd.BOXES, ssd.SCORES, ssd.CLASSES, ssd.NUMBER)

LAYOUTS: tuple[_Layout, ...] = (
    _Layout("yolov4", yolov4.HEAD.name, InputFormat(), _fits_yolov4),
    _Layout("yolov5", yolov5.HEAD.name, _RGB_LETTERBOX, _rows((8, 16, 32), 3, 5)),
    _Layout("yolov8", yolov8.HEAD.name, _RGB_LETTERBOX, _FITS_YOLOV8),
    _Layout(
        "yolov9-mit", yolov8.CORNERS_HEAD.name, InputFormat(Fit.LETTERBOX_TOP_LEFT), _FITS_YOLOV8
    ),
    _Layout(
        "yolov9-mit-e2e",
        yolov8.CORNERS_ONE_TO_ONE_HEAD.name,
        InputFormat(Fit.LETTERBOX_TOP_LEFT),
        _FITS_YOLOV8,
    ),
    _Layout("one-to-one", one_to_one.HEAD.name, _RGB_LETTERBOX, _fits_one_to_one),
    _Layout("yolox", yolox.RAW_HEAD.name, _BYTES_BGR, _rows((8, 16, 32), 1, 5)),
    _Layout("detr", detr.HEAD.name, InputFormat(), _named("labels", "boxes", "scores")),
    _Layout(
        "detr-logits",
        detr.LOGITS_HEAD.name,
        InputFormat(),
        _fits_detr_logits,
    ),
    _Layout("rf-detr", detr.RFDETR_HEAD.name, _IMAGENET, _fits_rfdetr),
    _Layout("nanodet", nanodet.HEAD.name, _NANODET, _rows((8, 16, 32, 64), 1, 32)),
    _Layout("nanodet-split", nanodet.SPLIT_HEAD.name, _NANODET, _fits_nanodet_split),
    _Layout("damo-yolo", boxes_scores.HEAD.name, InputFormat(scale=1.0), _fits_boxes_scores),
    _Layout("yolo-nas", boxes_scores.HEAD.name, _RGB_LETTERBOX, _fits_boxes_scores),
    _Layout("pp-yoloe", boxes_scores.HEAD.name, _IMAGENET, _fits_boxes_scores),
    _Layout("ssd", ssd.HEAD.name, InputFormat(), _named(*_SSD)),
    _Layout(
        "moonjelly",
        cells.HEAD.name,
        InputFormat(),
        _named(cells.BOXES, cells.LOGITS, scores=cells.LOGITS),
    ),
    _Layout("classifier", "", _IMAGENET, _fits_classifier),
)
