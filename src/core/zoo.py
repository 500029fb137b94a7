"""A zoo: networks of one task and the same classes, each at one or several input sides."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from .checks import echo, require_count, require_id, require_positive

MAX_SIDE_PX = 4096
MAX_CLASSES = 10_000
MAX_CLASS_NAME = 256
SHA256 = re.compile("[0-9a-f]{64}")


class Task(StrEnum):
    """What a network says of a picture."""

    DETECTION = "detection"
    CLASSIFICATION = "classification"


class Runtime(StrEnum):
    """What runs a network."""

    TORCH = "torch"  # the drawn zoo's own architectures
    ONNX = "onnx"  # ONNX Runtime
    OPENVINO = "openvino"
    AUTO = "auto"  # of the two before, what is faster on the device


class Fit(StrEnum):
    """How a picture of any shape gets into a network's square."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"  # aspect kept, in the middle
    LETTERBOX_TOP_LEFT = "letterbox_top_left"


class Colour(StrEnum):
    """Order of a network's three input channels."""

    RGB = "rgb"
    BGR = "bgr"


@dataclass(frozen=True, slots=True)
class InputFormat:
    """What a network's input is made of: (pixel / `scale` - `mean`) / `std`, of each channel in the order of `colour`.

    Attributes:
        fit: how the picture fills the square.
        colour: order of the channels.
        scale: pixels of 0 to 255 are divided by it.
        mean: taken off each channel after that.
        std: divides each channel in the end.
        is_uint8: the network takes bytes as they are; then the others must be neutral.
        is_nhwc: channels come last.
    """

    fit: Fit = Fit.STRETCH
    colour: Colour = Colour.RGB
    scale: float = 255.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    is_uint8: bool = False
    is_nhwc: bool = False

    def __post_init__(self) -> None:
        require_positive("scale", self.scale)
        for part in self.std:
            require_positive("std", part)
        is_neutral = (self.scale, self.mean, self.std) == (1.0, (0.0,) * 3, (1.0,) * 3)
        if self.is_uint8 and not is_neutral:
            raise ValueError("is_uint8=True: scale must be 1, mean 0 and std 1")


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network, and how it is run.

    Attributes:
        name: unique in its zoo.
        file: of its weights, within the zoo's folder; empty where there are tables alone, to be replayed.
        sha256: hash of the file, in hexadecimal digits.
        runtime: what runs it.
        head: layout of its output; a name of `vision.heads`, or empty where it classifies.
        sides_px: input sides that are served, rising.
        input: what its input is made of.
        max_batch_size: of what was exported; None where any will do.
    """

    name: str
    sides_px: tuple[int, ...]
    file: str = ""
    sha256: str = ""
    runtime: Runtime = Runtime.ONNX
    head: str = ""
    input: InputFormat = InputFormat()
    max_batch_size: int | None = None

    def __post_init__(self) -> None:
        require_id("name", self.name)
        if self.file in (".", "..") or "/" in self.file or not self.file.isprintable():
            raise ValueError(f"file={echo(self.file)}: must be one in the zoo's own folder")
        if self.file and not SHA256.fullmatch(self.sha256):
            raise ValueError(
                f"sha256={echo(self.sha256)}: must be 64 hexadecimal digits, as of file"
            )
        for side_px in self.sides_px:
            require_count("sides_px", side_px, MAX_SIDE_PX)
        if not self.sides_px or list(self.sides_px) != sorted(set(self.sides_px)):
            raise ValueError(f"sides_px={echo(self.sides_px)}: must be rising, at least one")
        if self.max_batch_size is not None:
            require_count("max_batch_size", self.max_batch_size)


@dataclass(frozen=True, slots=True)
class NetworkVariant:
    """A network at one input side; its name is that of the variant in all tables."""

    network: Network
    side_px: int

    @property
    def name(self) -> str:
        """For instance traffic-s-416; a network of one side may have it in its own name."""
        side, network = f"-{self.side_px}", self.network
        is_named = len(network.sides_px) == 1 and network.name.endswith(side)
        return network.name if is_named else f"{network.name}{side}"


@dataclass(frozen=True, slots=True)
class Zoo:
    """Networks of one task and the same classes.

    Attributes:
        name: unique on a machine.
        task: what all of them do.
        class_names: by class id.
        golden: the variant that others are compared with; the last one where none is named.
        networks: at least one, each of another name.
    """

    name: str
    task: Task
    class_names: tuple[str, ...]
    networks: tuple[Network, ...]
    golden: str = ""

    def __post_init__(self) -> None:
        require_id("name", self.name)
        if not 1 <= len(self.class_names) <= MAX_CLASSES:
            raise ValueError(
                f"class_names: must be 1 to {MAX_CLASSES}, not {len(self.class_names)}"
            )
        for name in self.class_names:
            if not 1 <= len(name) <= MAX_CLASS_NAME or not name.isprintable():
                rule = f"must be 1 to {MAX_CLASS_NAME} printable characters"
                raise ValueError(f"class_names={echo(name)}: {rule}")
        names = [network.name for network in self.networks]
        if not names or len(set(names)) != len(names):
            raise ValueError("networks: must be at least one, each of another name")
        if len({network.input.fit for network in self.networks}) > 1:
            raise ValueError("networks: input.fit must be the same for all: clients send one kind")
        known = [variant.name for variant in self.variants]
        if len(set(known)) != len(known):
            raise ValueError("networks: two have a variant of the same name")
        if self.golden and self.golden not in known:
            raise ValueError(f"golden={echo(self.golden)}: must be one of {', '.join(known)}")

    @property
    def fit(self) -> Fit:
        """How a picture fills the squares of its networks."""
        return self.networks[0].input.fit

    @property
    def golden_variant(self) -> NetworkVariant:
        """What others are compared with."""
        found = [one for one in self.variants if one.name == self.golden]
        return found[0] if found else self.variants[-1]

    @property
    def variants(self) -> tuple[NetworkVariant, ...]:
        """Every network at every side, smallest side first, then by network."""
        every = [NetworkVariant(one, side) for one in self.networks for side in one.sides_px]
        return tuple(sorted(every, key=lambda one: (one.side_px, one.network.name)))
