"""LibreYOLO's half of `public_families.py`, which runs it in an environment of its own.

Builds each family with random weights, spreads what they say, exports to ONNX, and writes what LibreYOLO itself finds in pictures.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn

SURE = math.log(0.3 / 0.7)  # the logit of a score of 0.3
NUM_SURE = 30  # of a layer's scores are above that, in the picture with the surest
CLASS_SPREAD, BOX_SPREAD, OBJECT_SPREAD, OBJECT_MEAN = 1.5, 0.5, 1.0, 3.0
OBJECT_LAYERS = "obj_preds"  # one column that is multiplied in
BOX_COLUMNS = 4
NUMS_OF_BINS = (16, 17)  # for each edge, where a distance is a distribution
NEAR_BINS = 0.7  # a bin is less likely than the one before, so that boxes are small


def import_torchvision() -> None:
    """Imports it also where its compiled part is for CUDA and torch is not, with a suppression of our own: the definition."""
    try:
        import torchvision  # noqa: PLC0415
    except RuntimeError:
        arguments = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", arguments)
        torch.library.impl("torchvision::nms", "cpu")(suppress)
        import torchvision.extension  # noqa: PLC0415

        torchvision.extension._has_ops = lambda: True  # noqa: SLF001


def suppress(boxes: torch.Tensor, scores: torch.Tensor, max_iou: float) -> torch.Tensor:
    """Indices of the boxes that no surer one covers, best first."""
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    is_kept = torch.ones(len(boxes), dtype=torch.bool)
    for number in range(len(boxes)):
        if is_kept[number]:
            one, later = boxes[number], boxes[number + 1 :]
            sides = torch.minimum(one[2:], later[:, 2:]) - torch.maximum(one[:2], later[:, :2])
            common = sides.clamp(min=0).prod(dim=1)
            is_kept[number + 1 :] &= common <= max_iou * (
                areas[number] + areas[number + 1 :] - common
            )
    return order[is_kept]


def spread(network: nn.Module, pictures: list[torch.Tensor], num_columns: int) -> None:
    """Makes random weights tell pictures apart, and some boxes sure: else all scores and boxes of a network are alike."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.5 / math.sqrt(module.weight[0].numel()))
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            num_bins, rest = divmod(len(module.weight), BOX_COLUMNS)
            if num_bins in NUMS_OF_BINS and not rest:
                module.bias.sub_(NEAR_BINS * (torch.arange(len(module.weight)) % num_bins))
    norms = [one for one in network.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all pictures
        norm.train()
    for picture in pictures:
        network(picture)
    for norm in norms:
        norm.eval()
    for name, values in outputs_of_last_layers(network, pictures, num_columns).items():
        layer = network.get_submodule(name)
        if OBJECT_LAYERS in name:
            wanted, zero, mean = OBJECT_SPREAD, values.mean(), OBJECT_MEAN
        elif len(layer.weight) != num_columns:
            wanted, zero, mean = BOX_SPREAD, values.mean(), 0.0
        else:
            best = values.topk(min(NUM_SURE, values.shape[1])).values[:, -1]
            wanted, zero, mean = CLASS_SPREAD, best.max(), SURE
        factor = float(wanted / values.std())
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.sub_(zero).mul_(factor).add_(mean)


def outputs_of_last_layers(
    network: nn.Module, pictures: list[torch.Tensor], num_columns: int
) -> dict[str, torch.Tensor]:
    """What layers with a column a class, four for a box, or one for an object say of each picture when they are last called."""
    said: dict[str, list[torch.Tensor]] = {}

    def note(name: str, number: int, out: torch.Tensor) -> None:
        said[name] = [*said.get(name, [])[:number], out[0].flatten()]

    for number, picture in enumerate(pictures):
        hooks = [
            one.register_forward_hook(
                lambda _module, _given, out, name=name, number=number: note(name, number, out)
            )
            for name, one in network.named_modules()
            if isinstance(one, nn.Conv2d | nn.Linear)
            and (len(one.weight) in (num_columns, BOX_COLUMNS) or OBJECT_LAYERS in name)
        ]
        network(picture)
        for hook in hooks:
            hook.remove()
    return {name: torch.stack(out) for name, out in said.items()}


def build(job: dict[str, object], out: Path) -> None:
    """Writes NAME.onnx, and NAME.npz with boxes, scores, class ids and the picture's number of each, and of the input."""
    import libreyolo  # noqa: PLC0415

    torch.manual_seed(0)
    side_px, num_columns = job["side_px"], job["num_columns"]
    model = getattr(libreyolo, job["maker"])(
        None, size=job["size"], nb_classes=job["built_classes"], device="cpu", _scratch_init=True
    )
    model.nb_classes = len(job["class_names"])
    model.names = dict(enumerate(job["class_names"]))
    model.model.eval()
    paths = [str(out / name) for name in job["pictures"]]
    inputs = [model._preprocess(path, "auto", side_px)[0] for path in paths]  # noqa: SLF001
    spread(model.model, inputs, num_columns)
    found = []
    for number, path in enumerate(paths):
        result = model(path, conf=job["min_score"], iou=job["max_iou"], imgsz=side_px)
        size = np.array(result.orig_shape[::-1] * 2, np.float32)
        boxes = np.asarray(result.boxes.xyxy, np.float32).reshape(-1, 4) / size
        scores = np.asarray(result.boxes.conf, np.float32).reshape(-1, 1)
        classes = np.asarray(result.boxes.cls, np.float32).reshape(-1, 1)
        found.append(np.hstack((np.full_like(scores, number), boxes, scores, classes)))
    model.export(
        format="onnx", output_path=str(out / f"{job['name']}.onnx"), imgsz=side_px,
        dynamic=job["is_dynamic"], simplify=False,
    )  # fmt: skip
    rows = [one.numpy()[0, :, :: job["row_step"]] for one in inputs]
    np.savez(out / f"{job['name']}.npz", found=np.vstack(found), inputs=np.stack(rows))


def main() -> None:
    """Does the jobs of a file; what fails is told in a file beside the others."""
    warnings.filterwarnings("ignore")
    import_torchvision()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    failed = {}
    for job in json.loads((out / "jobs.json").read_text()):
        try:
            build(job, out)
        except Exception as error:  # noqa: BLE001 - a family that cannot be built does not end the others
            failed[job["name"]] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
        print(job["name"], failed.get(job["name"], "built"), flush=True)
    versions = {name: version(name) for name in ("libreyolo", "torch", "torchvision")}
    (out / "built.json").write_text(json.dumps({"versions": versions, "failed": failed}))


if __name__ == "__main__":
    main()
