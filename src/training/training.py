"""Trains a traffic detector on drawn scenes: `python -m moonjelly.training.training --help`."""

from __future__ import annotations

import argparse
import copy
import csv
import hashlib
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..vision.classes import TRAFFIC_CLASSES
from ..vision.detector import ARCHITECTURES, Detector, build_network, cells, decode_boxes
from ..vision.weight_files import write_state
from ..zoos import open_zoo, write_zoo_file
from .assignment import detection_losses
from .augmentation import draw_batch
from .options import SIDES_PX, TrainingOptions
from .pool import draw_pool, load_pool

_LOG = logging.getLogger(__name__)

_LOG_EVERY: Final = 20
_SAVE_EVERY: Final = 100
_SIDE_WEIGHTS: Final[dict[str, tuple[float, ...]]] = {
    "traffic-n": (2, 2, 2, 2, 2, 2, 1.5, 1.5, 1.5, 1.5, 1, 1, 1, 1, 1, 1),
    "traffic-s": (0.5, 0.5, 0.5, 0.7, 0.7, 0.7, 1, 1, 1, 1, 1.2, 1.2, 1.2, 1.5, 1.5, 2),
}


_FLAGS: Final = {
    "--seed": "seed",
    "--steps": "num_steps",
    "--rate": "peak_rate",
    "--frames-a-step": "frames_a_step",
    "--window-ratio": "window_ratio",
    "--least-side": "least_side_px",
    "--threads": "num_threads",
}


class RunningAverage:
    """Keeps a running average of a network's weights."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Starts from the network's weights."""
        self.network = copy.deepcopy(network).eval()
        self._decay = decay
        self._num_updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Moves the average towards the network's weights, faster in the beginning."""
        self._num_updates += 1
        keep = min(self._decay, (1 + self._num_updates) / (20 + self._num_updates))
        own = self.network.state_dict()
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                own[name].lerp_(value, 1 - keep)
            else:
                own[name].copy_(value)


def _optimiser(network: Detector, options: TrainingOptions) -> torch.optim.Optimizer:
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.peak_rate, betas=(0.9, 0.98))


def train(
    options: TrainingOptions,
    pool_folder: Path,
    output_folder: Path,
    start_from: Path | None = None,
) -> Detector:
    """Trains a network; leaves weights (`NETWORK.safetensors`) and a log (`NETWORK.csv`).

    The weights are written every hundred steps, so that a broken-off run leaves something.

    Args:
        options: How.
        pool_folder: Frames to learn from.
        output_folder: Where the weights and the log go.
        start_from: Weights that an earlier run left; None for random ones.

    Returns:
        The network with the averaged weights, in evaluation mode.
    """
    torch.set_num_threads(options.num_threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng([options.seed, sum(options.network.encode())])
    pool = load_pool(pool_folder)
    network = build_network(options.network, len(TRAFFIC_CLASSES)).train()
    if start_from is not None:
        network.load_state_dict(load_file(start_from))
    average = RunningAverage(network, options.average_decay)
    optimiser = _optimiser(network, options)
    output_folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    grid: dict[int, tuple[Tensor, Tensor]] = {}
    first = next(k for k, side in enumerate(SIDES_PX) if side >= options.least_side_px)
    sides, weights = SIDES_PX[first:], _SIDE_WEIGHTS[options.network][first:]
    sums, num_summed = np.zeros(3), 0
    with (output_folder / f"{options.network}.csv").open("w", encoding="utf-8", newline="") as file:
        log = csv.writer(file, lineterminator="\n")
        log.writerow(
            ("step", "learning_rate", "box_loss", "score_loss", "gradient_norm", "elapsed_s")
        )
        for step in range(options.num_steps):
            for group in optimiser.param_groups:
                group["lr"] = options.rate_at(step)
            batch = draw_batch(
                pool, rng, sides, weights, options.frames_a_step, options.window_ratio
            )
            if batch.canvas_px not in grid:
                grid[batch.canvas_px] = cells(batch.canvas_px)
            middles, strides = grid[batch.canvas_px]
            with torch.autocast("cpu", torch.bfloat16):
                raw, logits = network(batch.images)
            boxes = decode_boxes(raw, middles, strides)
            losses = detection_losses(
                boxes, logits, middles, strides, batch.boxes, batch.class_ids, batch.kinds
            )
            optimiser.zero_grad(set_to_none=True)
            losses.total.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
            average.update(network)
            sums += (float(losses.box.detach()), float(losses.score.detach()), float(norm))
            num_summed += 1
            is_last = step + 1 == options.num_steps
            if (step + 1) % _LOG_EVERY == 0 or is_last:
                box, score, mean_norm = sums / num_summed
                means = (f"{box:.4f}", f"{score:.4f}", f"{mean_norm:.2f}")
                elapsed = f"{time.monotonic() - started:.0f}"
                log.writerow((step + 1, f"{options.rate_at(step):.2e}", *means, elapsed))
                file.flush()
                _LOG.info("step %d box %s score %s norm %s %s s", step + 1, *means, elapsed)
                sums[:] = 0
                num_summed = 0
            if (step + 1) % _SAVE_EVERY == 0 or is_last:
                path = output_folder / f"{options.network}.safetensors"
                state = average.network.state_dict()
                save_file({name: value.contiguous() for name, value in state.items()}, path)
    return average.network  # type: ignore[return-value]


def install(name: str, trained: nn.Module, zoo: str = "traffic") -> None:
    """Puts a network's weights in place of those of a zoo, and their hash into its file."""
    opened, content = open_zoo(zoo), write_state(trained.state_dict())
    networks = tuple(
        replace(one, sha256=hashlib.sha256(content).hexdigest()) if one.name == name else one
        for one in opened.zoo.networks
    )
    (opened.folder / f"{name}.safetensors").write_bytes(content)
    write_zoo_file(opened.folder, replace(opened.zoo, networks=networks))


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    usual = TrainingOptions(network=next(iter(ARCHITECTURES)))
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--network", choices=tuple(ARCHITECTURES), required=True)
    for flag, name in _FLAGS.items():
        value = getattr(usual, name)
        parser.add_argument(flag, dest=name, type=type(value), default=value)
    parser.add_argument("--start-from", type=Path, help="weights of an earlier run")
    parser.add_argument("--pool", type=Path, default=Path("data/pool/train"))
    parser.add_argument(
        "--scenes", type=int, default=440, help="scenes to draw if there is no pool"
    )
    parser.add_argument("--frames", type=int, default=14, help="frames of each scene")
    parser.add_argument("--output", type=Path, default=Path("data/training"))
    parser.add_argument(
        "--install", action="store_true", help="put the result in place of the shipped weights"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if not (options.pool / "truth.json").exists():
        draw_pool(options.pool, "train", options.scenes, options.frames)
    trained = train(
        TrainingOptions(
            options.network, **{name: getattr(options, name) for name in _FLAGS.values()}
        ),
        options.pool,
        options.output,
        options.start_from,
    )
    if options.install:
        install(options.network, trained)


if __name__ == "__main__":
    main()
