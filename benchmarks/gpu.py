"""A GPU's ten minutes: are its answers right, how fast are they beside the published way, and does a load hold batches up?

    python benchmarks/gpu.py [--gpu 0] [--out benchmarks/results/gpu.json]

Runs the shipped traffic zoo, and YOLOv4 at 608 px with random weights, which take as long as trained ones. Everything is measured
side by side in one run; the GPU's clocks and limits stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from moonjelly.core.answers import Detections
from moonjelly.core.zoo import Fit
from moonjelly.devices.cuda_probe import cuda_gpus
from moonjelly.devices.executors.cuda import CudaSession, edge_of
from moonjelly.devices.executors.cuda_edge import CudaEdge, Lane
from moonjelly.devices.executors.local_executor import LocalExecutor
from moonjelly.devices.executors.torch_session import TorchSession, load_network
from moonjelly.vision.answering import AnsweringNetwork
from moonjelly.vision.darknet import Darknet
from moonjelly.vision.darknet_cfg import read_sections
from moonjelly.vision.fits import Fitted, Image
from moonjelly.vision.postprocessing import box_ious
from moonjelly.vision.preprocessing import encode_frame, fit_picture
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import open_zoo

RESULTS = Path(__file__).parent / "results" / "gpu.json"
MAX_BATCH_SIZE = 12  # to which the published server pads every batch
SIZES = (1, 8)
SURE = 0.3


@cache
def street(seed: int) -> Image:
    """A drawn street."""
    return Scene(seed, "val", 640, 360).frame(40).image


def streets(number: int, side_px: int) -> list[Fitted]:
    """Streets, fitted to a side."""
    return [fit_picture(street(seed), side_px, Fit.STRETCH) for seed in range(number)]


def random_yolov4() -> Darknet:
    """YOLOv4 as published, with small random weights."""
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "plugins"))
    from darknet_networks import PUBLISHED, cfg_text  # noqa: PLC0415 - tests write it, too

    network = Darknet(read_sections("yolov4.cfg", cfg_text(PUBLISHED["yolov4"]()))).to_empty(
        device="cpu"
    )
    torch.manual_seed(0)
    for one in network.parameters():
        torch.nn.init.normal_(one, std=0.02)
    return network.eval().requires_grad_(requires_grad=False)


def on_gpu(network: AnsweringNetwork, edge: CudaEdge, dtype: torch.dtype) -> AnsweringNetwork:
    """The network there, in a precision, channels last."""
    with edge.on(Lane.LOADS):
        moved = network.to(edge.device, dtype)
        edge.mark()()
    return moved.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def differences(
    session: CudaSession, network: AnsweringNetwork, pictures: list[Fitted]
) -> dict[str, float]:
    """How the answers of a batch differ from those of the same network on the CPU, in single precision."""
    reference = TorchSession(network, session.side_px)
    found, expected = (_answers(one, pictures) for one in (session, reference))
    gaps, num_lost, num_sure = [0.0], 0, 0
    for ours, theirs in zip(found, expected, strict=True):
        sure = theirs.scores >= SURE
        ious = box_ious(theirs.boxes[sure], ours.boxes)
        ious[theirs.class_ids[sure, None] != ours.class_ids[None]] = 0
        num_sure += int(sure.sum())
        for row, score in zip(ious, theirs.scores[sure], strict=True):
            if len(row) and row.max() >= 0.9:
                gaps.append(float(abs(ours.scores[row.argmax()] - score)))
            else:
                num_lost += 1
    return {"sure_boxes": num_sure, "boxes_lost": num_lost, "largest_score_gap": max(gaps)}


def _answers(session: CudaSession | TorchSession, pictures: list[Fitted]) -> list[Detections]:
    places = session.places(len(pictures))
    for place, one in zip(places, pictures, strict=True):
        session.write(one.picture, place)
    return session.answers(session.infer(places))  # type: ignore[return-value]


def medians_ms(ways: dict[str, Callable[[], object]], num_rounds: int) -> dict[str, float]:
    """How long each way takes (median, ms), in turns."""
    took_ms: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(num_rounds):
        for name, way in ways.items():
            start_s = time.perf_counter()
            way()
            took_ms[name].append(1000 * (time.perf_counter() - start_s))
    return {name: statistics.median(one) for name, one in took_ms.items()}


def published_way(network: AnsweringNetwork, edge: CudaEdge, side_px: int) -> Callable[[], object]:
    """Single precision, cuDNN off, every batch padded to the largest; results come back one by one."""
    condense = network.condenser(side_px, edge.device)
    frames = torch.zeros((MAX_BATCH_SIZE, 3, side_px, side_px))

    @torch.inference_mode()
    def run() -> object:
        with torch.backends.cudnn.flags(enabled=False):
            return [one.cpu() for one in condense(network(frames.to(edge.device)))]

    return run


def latencies_ms(
    network: AnsweringNetwork, edge: CudaEdge, side_px: int, num_rounds: int
) -> dict[str, dict[str, float]]:
    """What a batch takes from pinned memory to answers, beside the published way. Leaves the network in half precision."""
    published = published_way(on_gpu(network, edge, torch.float32), edge, side_px)
    theirs = medians_ms({"published": published}, num_rounds)
    session = CudaSession(on_gpu(network, edge, torch.float16), side_px, edge)
    session.warm_up(MAX_BATCH_SIZE)
    pictures = streets(max(SIZES), side_px)
    ours = {
        f"batch_{size}": (lambda size=size: _answers(session, pictures[:size])) for size in SIZES
    }
    return {name: {"ours": ms, **theirs} for name, ms in medians_ms(ours, num_rounds).items()}


def rates_fps(session: CudaSession, edge: CudaEdge, size: int, seconds: float) -> dict[str, float]:
    """Frames a second of an executor with a batch ahead, and of repeating the bare graph."""
    executor = LocalExecutor(lambda _: session, Fit.STRETCH, depth=2)
    executor.load("it", size)
    pictures = streets(size, session.side_px)
    inputs = [[executor.prepare(one) for one in pictures] for _ in range(2)]
    under_way: deque[Any] = deque()
    number, end_s = 0, time.monotonic() + seconds
    while time.monotonic() < end_s:
        under_way.append(executor.start("it", inputs[number % 2]))
        number += 1
        if len(under_way) == 2:
            executor.finish(under_way.popleft())
    for one in under_way:
        executor.finish(one)
    served_fps = number * size / (seconds + time.monotonic() - end_s)
    repeat, num_bare = session.graphs[size].repeat, 0
    start_s = time.monotonic()
    with edge.on(Lane.BATCHES):
        while time.monotonic() < start_s + seconds:
            for _ in range(10):
                repeat()
            edge.mark()()
            num_bare += 10
    return {"served": served_fps, "bare": num_bare * size / (time.monotonic() - start_s)}


def delays_ms(
    session: CudaSession, load: Callable[[], object], seconds: float
) -> dict[str, dict[str, float]]:
    """What batches of one take while nothing else happens, and while variants are loaded one after the other."""
    pictures = streets(1, session.side_px)
    found = {}
    for name, beside in (("alone", None), ("beside loads", load)):
        took_ms: list[float] = []
        with _repeating(beside):
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                start_s = time.perf_counter()
                _answers(session, pictures)
                took_ms.append(1000 * (time.perf_counter() - start_s))
        p50, p99 = np.percentile(took_ms, (50, 99))
        found[name] = {"p50": float(p50), "p99": float(p99), "max": max(took_ms)}
    return found


@contextmanager
def _repeating(work: Callable[[], object] | None) -> Iterator[None]:
    has_ended = threading.Event()

    def repeat() -> None:
        while work is not None and not has_ended.is_set():
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()


def jpeg_rates_fps(edge: CudaEdge, num_rounds: int) -> dict[str, float] | str:
    """Pictures of 608 px decoded a second: by libjpeg-turbo on one core, and by torchcodec on the GPU where it loads."""
    import cv2  # noqa: PLC0415

    jpegs = [encode_frame(street(seed), 608) for seed in range(MAX_BATCH_SIZE)]
    try:
        from torchcodec.decoders import decode_jpeg  # noqa: PLC0415
    except (ImportError, OSError, RuntimeError) as error:
        return f"torchcodec does not load: {' '.join(str(error).split())[:200]}"

    def on_device() -> None:
        decode_jpeg(jpegs, device=edge.device)
        edge.mark()()

    cv2.setNumThreads(1)
    took = medians_ms(
        {
            "libjpeg-turbo": lambda: [
                cv2.imdecode(np.frombuffer(one, np.uint8), 1) for one in jpegs
            ],
            "torchcodec": on_device,
        },
        num_rounds,
    )
    return {name: 1000 * len(jpegs) / ms for name, ms in took.items()}


def measure(
    edge: CudaEdge, yolov4: AnsweringNetwork, side_px: int, num_rounds: int, seconds: float
) -> dict[str, Any]:
    """Everything; the times of YOLOv4 are at `side_px`."""
    zoo = open_zoo("traffic")
    found: dict[str, Any] = {"differences": {}}
    for network in zoo.zoo.networks:
        there = on_gpu(load_network(zoo, network, "cpu", torch.float16), edge, torch.float16)
        session = CudaSession(there, 416, edge)
        session.warm_up(4)
        found["differences"][network.name] = differences(
            session, load_network(zoo, network), streets(4, 416)
        )
    found["yolov4_ms"] = latencies_ms(yolov4, edge, side_px, num_rounds)
    session = CudaSession(yolov4, side_px, edge)
    found["yolov4_fps"] = rates_fps(session, edge, max(SIZES), seconds)

    def load_other() -> None:
        CudaSession(yolov4, side_px - 96, edge).warm_up(MAX_BATCH_SIZE)

    found["batch_of_1_ms"] = delays_ms(session, load_other, seconds)
    found["jpeg_fps"] = jpeg_rates_fps(edge, num_rounds)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    gpus = cuda_gpus()
    if options.gpu >= len(gpus) or gpus[options.gpu].trouble:
        why = gpus[options.gpu].trouble if options.gpu < len(gpus) else f"there are {len(gpus)}"
        print(
            f"gpu.py: error: cuda:{options.gpu}: no CUDA device to measure: {why}", file=sys.stderr
        )
        return 2
    edge = edge_of(options.gpu)
    rows = {
        "hardware": gpus[options.gpu].name,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "num_cores": os.cpu_count(),
        "measured_on": datetime.now(UTC).date().isoformat(),
        **measure(edge, random_yolov4(), 608, num_rounds=30, seconds=10.0),
    }
    text = json.dumps(rows, indent=1)
    print(text)
    options.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
