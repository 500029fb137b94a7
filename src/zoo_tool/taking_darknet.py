"""Takes Darknet's networks into a zoo: a `.cfg` and its weights become one file that torch runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.zoo import Fit, InputFormat, Network, Runtime, Task
from ..devices.executors.torch_session import DARKNET, TorchSession
from ..devices.gate import pass_gate
from ..files.text_file import read_text
from ..vision.classes import COCO_CLASSES
from ..vision.darknet import Darknet
from ..vision.darknet_cfg import MOST_BYTES, read_sections
from ..vision.darknet_weights import read_weights, write_network
from .taking_in import Taken, network_name


def take_darknet(
    cfg: Path,
    weights: Path | None,
    sides_px: Sequence[int],
    class_names: Sequence[str] | None,
    wishes: Mapping[str, Any],
    runtime: Runtime,
) -> Taken:
    """Reads a network and has it pass the gate at the smallest, the middle and the largest side.

    Args:
        cfg: what it is made of.
        weights: Darknet's file, or a plain state dict of the same network in torch; None where none was named.
        sides_px: that it is to be served at; none for the one that its cfg names.
        class_names: by class id; None where they are COCO's 80.
        wishes: its `fit`, where it is not as its cfg says; nothing else can differ.
        runtime: what its user wants to run it.

    Raises:
        UsageError: naming the file, what is wrong, and what can be done.
    """
    if weights is None:
        raise UsageError(f"{cfg}: needs its weights behind it, as in {cfg.name} {cfg.stem}.weights")
    if wishes.keys() - {"fit"} or runtime is not Runtime.ONNX:
        raise UsageError(f"{cfg}: takes RGB / 255 and runs in torch: --fit alone can differ")
    text = read_text(cfg, MOST_BYTES)
    network = Darknet(read_sections(str(cfg), text))
    sides_px = _sides(cfg, network, sides_px)
    notes = [f"{cfg}: is a Darknet network at {', '.join(map(str, sides_px))} px"]
    if class_names is None and network.num_classes == len(COCO_CLASSES):
        class_names = COCO_CLASSES
        notes.append(f"{cfg}: its 80 classes are taken for COCO's; --classes FILE names others")
    if class_names is None or len(class_names) != network.num_classes:
        named = "no names" if class_names is None else f"{len(class_names)} names"
        raise UsageError(
            f"{cfg}: has {network.num_classes} classes and {named}: give them with --classes FILE"
        )
    read_weights(weights, network)
    usual = Fit.LETTERBOX if network.is_letterboxed else Fit.STRETCH
    content = write_network(network, text)
    name = network_name(cfg)
    found = Network(
        name=name,
        sides_px=tuple(sides_px),
        file=f"{name}.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        runtime=Runtime.TORCH,
        head=DARKNET,
        input=InputFormat(wishes.get("fit", usual)),
    )
    # sides differ in nothing but their number of cells, and the gate takes minutes for sixteen large ones
    for side_px in sorted({sides_px[0], sides_px[len(sides_px) // 2], sides_px[-1]}):
        notes += pass_gate(str(cfg), TorchSession(network, side_px), found.input.fit)
    return Taken(found, content, Task.DETECTION, tuple(class_names), tuple(dict.fromkeys(notes)))


def _sides(cfg: Path, network: Darknet, wanted: Sequence[int]) -> Sequence[int]:
    width, height = network.usual_px
    if not wanted and width != height:
        raise UsageError(
            f"{cfg}: is {width} x {height}: say which squares to serve, as in --sides 320,416"
        )
    sides_px = wanted or [width]
    wrong = [one for one in sides_px if one % network.multiple_px]
    if wrong:
        raise UsageError(f"{cfg}: --sides: {wrong[0]}: must be multiples of {network.multiple_px}")
    return sides_px
