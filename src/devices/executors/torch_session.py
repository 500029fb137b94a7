"""Runs networks with torch, the shipped ones and Darknet's, on CPU cores."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
import torch

from ...core.answers import Answer
from ...core.errors import UsageError
from ...core.zoo import Network, NetworkVariant, Task
from ...vision.answering import AnsweringNetwork
from ...vision.classifier import CLASSIFIERS, Classifier
from ...vision.darknet_weights import read_network
from ...vision.detector import ARCHITECTURES, build_network, fuse
from ...vision.postprocessing import DEFAULT_MIN_SCORE
from ...vision.weight_files import read_state
from ...zoos import OpenedZoo, WeightsError
from .session import Array, Outputs, Picture, run_blank

BRIGHTEST: Final = np.float32(255)
DARKNET: Final = "darknet"  # the head of networks whose file holds their architecture, too

_loaded: WeakValueDictionary[tuple[object, ...], AnsweringNetwork] = WeakValueDictionary()


class TorchSession:
    """A network at one side; rows are NHWC, as 0 to 1."""

    max_batch_size: int | None = None
    input_kind: Hashable = "cpu"

    def __init__(self, network: AnsweringNetwork, side_px: int) -> None:
        """Takes a network in evaluation mode, which may serve other sides as well.

        Raises:
            ValueError: If the network takes no squares of this side.
        """
        self.side_px = side_px
        self._network = network
        self._condense = network.condenser(side_px)
        self.places: Callable[[int], Array] = lambda number: np.empty(
            (number, side_px, side_px, 3), np.float32
        )

    @staticmethod
    def write(picture: Picture, place: Array) -> None:
        """Writes a picture as the network wants it."""
        np.divide(picture, BRIGHTEST, out=place)

    def warm_up(self, max_batch_size: int) -> None:
        """First runs choose algorithms and take memory."""
        del max_batch_size
        run_blank(self)

    @torch.inference_mode()
    def infer(self, batch: Array) -> Outputs:
        """Runs the network on [b, side, side, 3], 0 to 1, in memory that can be written to."""
        images = torch.from_numpy(batch).permute(0, 3, 1, 2)
        return self._condense(self._network(images.contiguous(memory_format=torch.channels_last)))

    def answers(self, outputs: Outputs, min_score: float = DEFAULT_MIN_SCORE) -> Sequence[Answer]:
        """Selects what the network says."""
        return self._network.answers([one.numpy() for one in outputs], min_score)


def load_network(
    zoo: OpenedZoo,
    network: Network,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> AnsweringNetwork:
    """Returns a network, fused and in evaluation mode; the same object as long as somebody holds it.

    Raises:
        WeightsError: If there is no such network, or its weights are missing or not what its zoo says.
    """
    key = (zoo.folder, network.name, network.sha256, str(device), dtype)
    found = _loaded.get(key)
    if found is None:
        found = _read(zoo, network).requires_grad_(requires_grad=False)
        found = _loaded.setdefault(key, found.to(device, dtype))
    return found


def _read(zoo: OpenedZoo, network: Network) -> AnsweringNetwork:
    if network.head == DARKNET:
        try:
            found = read_network(network.file, zoo.read_weights(network))
        except UsageError as error:
            raise WeightsError(f"{error}") from error
        if found.num_classes != len(zoo.zoo.class_names):
            raise WeightsError(
                f"{network.file}: has {found.num_classes} classes, its zoo names {len(zoo.zoo.class_names)}"
            )
        return found
    is_classifier = zoo.zoo.task is Task.CLASSIFICATION
    known = CLASSIFIERS if is_classifier else ARCHITECTURES
    if network.name not in known:
        raise WeightsError(
            f"network {network.name}: torch runs {', '.join(known)} and those with head: {DARKNET}; others come as ONNX"
        )
    built: AnsweringNetwork = (Classifier if is_classifier else build_network)(
        network.name, len(zoo.zoo.class_names)
    )
    try:
        built.load_state_dict(read_state(zoo.read_weights(network)))
    except RuntimeError as error:
        raise WeightsError(
            f"{network.file} does not fit network {network.name}: {error}"
        ) from error
    return fuse(built)


def torch_session(zoo: OpenedZoo, variant: NetworkVariant) -> TorchSession:
    """Makes a variant of a zoo ready.

    Raises:
        WeightsError: as above.
    """
    network = load_network(zoo, variant.network)
    try:
        return TorchSession(network, variant.side_px)
    except ValueError as error:
        raise WeightsError(f"{variant.name}: {error}") from None
