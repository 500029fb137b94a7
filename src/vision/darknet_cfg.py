"""Darknet's `.cfg`: sections of `key=value` lines. What is not known here and would change a network is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..core.checks import echo
from ..core.errors import UsageError

MOST_BYTES = 2**20  # of a file
MAX_SECTIONS = 2000
MAX_NUMBERS = 256  # in one value

KEYS: dict[str, tuple[str, ...]] = {
    "convolutional": (
        "activation", "batch_normalize", "filters", "groups", "pad", "padding", "size", "stride",
    ),
    "maxpool": ("padding", "size", "stride"),
    "net": ("channels", "height", "letter_box", "width"),
    "route": ("group_id", "groups", "layers"),
    "shortcut": ("activation", "from"),
    "upsample": ("stride",),
    "yolo": ("anchors", "classes", "mask", "new_coords", "num", "scale_x_y"),
}  # fmt: skip
"""What is read of each section."""

_TRAINING = {
    "burnin_update", "clip", "dont_update", "learning_rate", "onlyforward", "stopbackward",
    "train_only_bn",
}  # fmt: skip
_TRAINING_OF_YOLO = {
    "beta_nms", "cls_normalizer", "counters_per_class", "delta_normalizer", "focal_loss",
    "ignore_thresh", "iou_loss", "iou_normalizer", "iou_thresh", "iou_thresh_kind", "jitter",
    "label_smooth_eps", "max", "max_delta", "nms_kind", "obj_normalizer", "objectness_smooth",
    "random", "resize", "show_details", "truth_thresh",
}  # fmt: skip
_ALIASES = {"conv": "convolutional", "max": "maxpool", "network": "net"}
_WHOLE = re.compile("[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?[0-9]{0,9}\.?[0-9]{0,20}")


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a file.

    Attributes:
        file: what the file is called in errors.
        line: of its heading.
        name: in its longest spelling.
        values: line and text of each key; the first counts where one is there twice, as in Darknet.
    """

    file: str
    line: int
    name: str
    values: Mapping[str, tuple[int, str]]

    def refusal(self, rule: str, key: str = "") -> UsageError:
        """The error that a value, or the section, is not as it must be."""
        line, text = self.values.get(key, (self.line, None))
        value = (
            f" {key}={echo(text)}" if text is not None else f" {key} is not there" if key else ""
        )
        return UsageError(f"{self.file}:{line}: [{self.name}]{value}: {rule}")

    def whole(self, key: str, usual: int | None, least: int, most: int) -> int:
        """A whole number in a range; the usual one where the key is not there."""
        if usual is not None and key not in self.values:
            return usual
        (found,) = self.wholes(key, least, most, 1)
        return found

    def wholes(self, key: str, least: int, most: int, length: int = MAX_NUMBERS) -> tuple[int, ...]:
        """Whole numbers in a range, parted by commas."""
        texts = self._texts(key)
        numbers = [int(one) for one in texts if _WHOLE.fullmatch(one)]
        is_right = len(numbers) == len(texts) and all(least <= one <= most for one in numbers)
        if not is_right or not 1 <= len(numbers) <= length:
            kind = "a whole number" if length == 1 else f"1 to {length} whole numbers"
            raise self.refusal(f"must be {kind} from {least} to {most}", key)
        return tuple(numbers)

    def numbers(self, key: str, usual: float | None, most: float) -> tuple[float, ...]:
        """Numbers above 0, parted by commas; the usual one where the key is not there."""
        if usual is not None and key not in self.values:
            return (usual,)
        texts = self._texts(key)
        are_right = all(_NUMBER.fullmatch(one) and any(map(str.isdigit, one)) for one in texts)
        numbers = tuple(float(one) for one in texts) if are_right else ()
        if not 1 <= len(numbers) <= MAX_NUMBERS or not all(0 < one <= most for one in numbers):
            raise self.refusal(f"must be numbers above 0, at most {most:g}", key)
        return numbers

    def choice(self, key: str, usual: str, known: Mapping[str, object]) -> str:
        """One of some words."""
        found = self.values.get(key, (0, usual))[1]
        if found not in known:
            raise self.refusal(f"must be one of {', '.join(known)}", key)
        return found

    def _texts(self, key: str) -> list[str]:
        return [one.strip() for one in self.values.get(key, (0, ""))[1].split(",")]


def read_sections(file: str, text: str) -> list[Section]:
    """Reads the text of a file: `[net]` first, then the layers.

    Raises:
        UsageError: naming file, line, section, and what is known.
    """
    sections: list[Section] = []
    values: dict[str, tuple[int, str]] = {}
    for number, full in enumerate(text.split("\n"), 1):
        line = re.split("[#;]", full, maxsplit=1)[0].strip()
        if not line:
            continue
        if line[0] == "[":
            values = {}
            given = line.strip("[]").strip()
            sections.append(Section(file, number, _ALIASES.get(given, given), values))
            if sections[-1].name not in KEYS:
                known = ", ".join(f"[{one}]" for one in KEYS)
                raise UsageError(f"{file}:{number}: section {echo(line)}: must be one of {known}")
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not sections or not equals:
            raise UsageError(f"{file}:{number}: {echo(line)}: must be a section or key=value")
        values.setdefault(key, (number, value))
        if not _is_known(sections[-1].name, key):
            known = ", ".join(KEYS[sections[-1].name])
            raise UsageError(
                f"{file}:{number}: [{sections[-1].name}] {echo(line)}: is not known; known are {known}"
            )
    if (
        not sections
        or [one.name for one in sections].count("net") != 1
        or sections[0].name != "net"
    ):
        raise UsageError(f"{file}: must begin with [net], the only one")
    if len(sections) > MAX_SECTIONS:
        raise UsageError(f"{file}: has {len(sections)} sections: must be at most {MAX_SECTIONS}")
    return sections


def _is_known(section: str, key: str) -> bool:
    """Whether a key is read, or changes training alone, as all others of [net] do."""
    ignored = _TRAINING | (_TRAINING_OF_YOLO if section == "yolo" else set())
    return section == "net" or key in KEYS[section] or key in ignored
