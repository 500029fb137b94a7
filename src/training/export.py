"""Exports our networks as ONNX: `python -m moonjelly.training.export --network traffic-n --output traffic-n.onnx`."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import torch

from ..core.zoo import Network
from ..devices.executors.torch_session import load_network
from ..vision.heads.cells import BOXES, LOGITS
from ..zoos import OpenedZoo, open_zoo

OPSET = 17
_SIDE_PX = 256  # of the picture that is traced; any other runs as well


def export_onnx(zoo: OpenedZoo, network: Network, path: Path) -> None:
    """Writes a network as an ONNX file that takes any number of pictures of any side, RGB from 0 to 1 [b, 3, side, side].

    Raises:
        WeightsError: If its weights are missing or not what the zoo says.
    """
    axes = {0: "batch", 2: "side", 3: "side"}
    rows = {0: "batch", 1: "cells"}
    with warnings.catch_warnings():  # the newer exporter writes what few libraries read yet
        warnings.simplefilter("ignore")
        torch.onnx.export(
            load_network(zoo, network),
            (torch.zeros(1, 3, _SIDE_PX, _SIDE_PX),),
            path,
            input_names=["images"],
            output_names=[BOXES, LOGITS],
            dynamic_axes={"images": axes, BOXES: rows, LOGITS: rows},
            opset_version=OPSET,
            dynamo=False,
        )


def main(arguments: list[str] | None = None) -> None:
    """Exports one network of the traffic zoo."""
    zoo = open_zoo("traffic")
    networks = {one.name: one for one in zoo.zoo.networks}
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--network", choices=tuple(networks), required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    export_onnx(zoo, networks[options.network], options.output)


if __name__ == "__main__":
    main()
