"""The detectors that can be chosen: names, input sides, and how to build one.

A *variant* is a network at one input side. All variants of a network share its weights, which a
process loads once for each device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from .classes import TRAFFIC_CLASSES
from .detections import Detections
from .detector import Detector, build_network, cells, decode_boxes
from .manifest import WeightsError, read_manifest
from .postprocessing import select_detections
from .weight_files import load_verified

Outputs: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""What a network says of a batch: raw boxes, and logits of the classes."""

ZOO_NAMES: Final[tuple[str, ...]] = ("traffic",)


@dataclass(frozen=True, slots=True)
class ZooVariant:
    """A network at one input side.

    Attributes:
        name: For instance traffic-s-416.
        network: Name of the network.
        input_side_px: Side of the square picture it takes.
    """

    name: str
    network: str
    input_side_px: int


@dataclass(frozen=True, slots=True)
class Zoo:
    """A family of detectors of the same classes.

    Attributes:
        name: Name of the zoo.
        class_names: Names by class id.
        variants: The variants, smallest input first, then by network.
    """

    name: str
    class_names: tuple[str, ...]
    variants: tuple[ZooVariant, ...]


def load_zoo(name: str) -> Zoo:
    """Returns a zoo by name.

    Raises:
        ValueError: If no zoo has this name.
        WeightsError: If its manifest cannot be read.
    """
    if name not in ZOO_NAMES:
        raise ValueError(f"zoo is {name!r}: it must be one of {', '.join(ZOO_NAMES)}")
    variants = [
        ZooVariant(f"{network}-{side}", network, side)
        for network, entry in read_manifest().items()
        for side in entry.sides_px
    ]
    variants.sort(key=lambda variant: (variant.input_side_px, variant.network))
    return Zoo(name, TRAFFIC_CLASSES, tuple(variants))


class TorchDetector:
    """A variant that is ready to run."""

    def __init__(self, network: Detector, input_side_px: int, device: str = "cpu") -> None:
        """Takes a network in evaluation mode, which may serve other variants as well.

        Raises:
            ValueError: If the side is not a positive multiple of 32.
        """
        self.input_side_px = input_side_px
        self._network = network
        self._device = torch.device(device)
        self._middles, self._strides = cells(input_side_px, self._device)

    def __call__(self, batch: npt.NDArray[np.uint8]) -> list[Detections]:
        """Finds the objects of each frame.

        Args:
            batch: RGB frames, uint8 [b, side, side, 3].

        Raises:
            ValueError: If the batch has another shape or type.
            BrokenOutput: If the network gives numbers that are none.
        """
        side = self.input_side_px
        if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[1:] != (side, side, 3):  # noqa: PLR2004
            raise ValueError(
                f"batch is {batch.dtype} {batch.shape}: it must be uint8 [b, {side}, {side}, 3]"
            )
        if len(batch) == 0:
            return []
        return self.detect(self.infer(batch if batch.flags.writeable else batch.copy()))

    @torch.inference_mode()
    def infer(self, batch: npt.NDArray[Any]) -> Outputs:
        """Runs the network; on a GPU, returns as soon as it is told to.

        Args:
            batch: RGB frames [b, side, side, 3], bytes or 0 to 1, in memory that can be written to.
        """
        frames = torch.from_numpy(batch).to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        images = frames.float().div_(255) if batch.dtype == np.uint8 else frames
        raw, logits = self._network(images.contiguous(memory_format=torch.channels_last))
        return raw, logits

    @torch.inference_mode()
    def detect(self, outputs: Outputs) -> list[Detections]:
        """Selects what the network found, once.

        Raises:
            BrokenOutput: If the network gave numbers that are none.
        """
        raw, logits = outputs
        scores = logits.float().sigmoid().cpu().numpy()
        corners = decode_boxes(raw, self._middles, self._strides).div_(self.input_side_px)
        return [
            select_detections(one, score)
            for one, score in zip(corners.cpu().numpy(), scores, strict=True)
        ]


@lru_cache(maxsize=8)
def load_network(network: str, device: str = "cpu") -> Detector:
    """Returns a shipped network, fused and in evaluation mode; the same object each time.

    Raises:
        WeightsError: If its weights are missing or not what the manifest says.
    """
    entry = read_manifest()[network]
    detector = build_network(network, len(entry.classes))
    try:
        detector.load_state_dict(load_verified(entry))
    except RuntimeError as error:
        raise WeightsError(f"{entry.file} does not fit network {network!r}: {error}") from error
    detector.fuse().requires_grad_(requires_grad=False)
    return detector.to(device)


def build_detector(variant_name: str, device: str = "cpu") -> TorchDetector:
    """Builds a variant of any zoo by its name.

    Args:
        variant_name: For instance traffic-s-416.
        device: cpu, cuda, cuda:1 and so on.

    Raises:
        ValueError: If no zoo has a variant of this name.
        WeightsError: If the weights are missing or not what the manifest says.
    """
    found = {variant.name: variant for zoo in ZOO_NAMES for variant in load_zoo(zoo).variants}
    if variant_name not in found:
        raise ValueError(f"variant is {variant_name!r}: it must be one of {', '.join(found)}")
    chosen = found[variant_name]
    network = load_network(chosen.network, device)
    return TorchDetector(network, chosen.input_side_px, device)
