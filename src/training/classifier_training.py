"""Trains a vehicle classifier on drawn vehicles: `python -m moonjelly.training.classifier_training --help`.

The pictures are those of `python -m moonjelly.training.test_pictures --crops --split train`.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..core.zoo import Network
from ..vision.classes import TRAFFIC_CLASSES
from ..vision.classifier import CLASSIFIERS, Classifier
from ..vision.fits import Image
from ..vision.preprocessing import decode_frame, encode_frame
from ..zoo_tool.labels import read_annotations, read_labelled
from ..zoos import open_zoo
from .augmentation import relight
from .training import install

ZOO: Final = "vehicles"
BATCH_SIZE: Final = 48
PEAK_RATE: Final = 4e-3
WEIGHT_DECAY: Final = 0.05
SMOOTHING: Final = 0.05
MOST_CUT_RATIO: Final = 0.15
"""Of each edge of a picture, that training leaves out at random."""
_LOG_EVERY: Final = 50
_LOG = logging.getLogger(__name__)


def read_crops(folder: Path) -> tuple[list[Image], Tensor]:
    """Reads labelled pictures of one object each; returns them and their classes, int64 [n]."""
    found, _ = read_annotations(folder / "annotations.json", folder / "images", TRAFFIC_CLASSES)
    classes = torch.tensor([int(one.truth.class_ids[0]) for one in found])
    return [read_labelled(one) for one in found], classes


def draw_batch(
    images: list[Image], chosen: Tensor, side_px: int, rng: np.random.Generator
) -> Tensor:
    """Cuts, mirrors and relights pictures at random, and sends them along the true path; RGB [b, 3, side, side], 0 to 1."""
    batch = np.empty((len(chosen), side_px, side_px, 3), np.uint8)
    for place, number in zip(batch, chosen.tolist(), strict=True):
        image = images[number]
        height, width = image.shape[:2]
        top, bottom, left, right = rng.uniform(0, MOST_CUT_RATIO, 4)
        image = image[
            int(top * height) : max(1, int(height * (1 - bottom))),
            int(left * width) : max(1, int(width * (1 - right))),
        ]
        if rng.random() < 0.5:  # noqa: PLR2004
            image = image[:, ::-1]
        image = relight(np.ascontiguousarray(image), rng)
        jpeg = encode_frame(image, side_px, int(rng.integers(60, 96)))
        place[:] = decode_frame(jpeg, side_px).picture
    pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(255)
    return pixels.contiguous(memory_format=torch.channels_last)


def train(
    network: Network, images: list[Image], classes: Tensor, num_steps: int, seed: int = 0
) -> Classifier:
    """Trains a network of the zoo at its own sides; returns it in evaluation mode."""
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, sum(network.name.encode())])
    model = Classifier(network.name, len(TRAFFIC_CLASSES)).train()
    optimiser = torch.optim.AdamW(model.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, num_steps, pct_start=0.1)
    losses: list[float] = []
    for step in range(1, num_steps + 1):
        chosen = torch.from_numpy(rng.integers(0, len(images), BATCH_SIZE))
        logits = model(draw_batch(images, chosen, int(rng.choice(network.sides_px)), rng))
        loss = functional.cross_entropy(logits, classes[chosen], label_smoothing=SMOOTHING)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        rates.step()
        losses.append(float(loss.detach()))
        if step % _LOG_EVERY == 0:
            mean = np.mean(losses[-_LOG_EVERY:])
            _LOG.info("%s step %d of %d: loss %.3f", network.name, step, num_steps, mean)
    return model.eval()


def main(arguments: list[str] | None = None) -> None:
    """Trains one network, and puts it in place of the shipped one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--network", choices=tuple(CLASSIFIERS), required=True)
    parser.add_argument("--pictures", type=Path, default=Path("data/vehicles-train"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    (network,) = (one for one in open_zoo(ZOO).zoo.networks if one.name == options.network)
    images, classes = read_crops(options.pictures)
    install(network.name, train(network, images, classes, options.steps, options.seed), ZOO)


if __name__ == "__main__":
    main()
