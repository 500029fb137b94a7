"""What the `Executor` port promises, for every executor."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from fake_cuda import FakeCuda

from moonjelly.core.answers import Detections
from moonjelly.core.profile import BatchLatency
from moonjelly.devices.detecting import SessionOpener
from moonjelly.devices.executors.cuda import CudaSession
from moonjelly.devices.executors.local_executor import LocalExecutor
from moonjelly.devices.executors.replayed_executor import ReplayedExecutor
from moonjelly.devices.executors.torch_session import load_network
from moonjelly.vision.fits import Fitted
from moonjelly.zoos import open_zoo

FEW_MS = BatchLatency((1.0, 1.5, 2.0), (1.0, 1.5, 2.0))


def make_replayed():
    return ReplayedExecutor({"small-64": FEW_MS, "small-96": FEW_MS}), {
        "small-64": 64,
        "small-96": 96,
    }


def make_torch(device: str = "cpu"):
    zoo = open_zoo("traffic")
    gpu = None if device == "cpu" else int(device.removeprefix("cuda:"))
    executor = LocalExecutor(SessionOpener(zoo, gpu), zoo.zoo.fit)
    return executor, {one.name: one.side_px for one in zoo.zoo.variants[:2]}


def make_cuda():
    return make_torch("cuda:0")


def make_cuda_on_a_cpu():
    zoo, edge = open_zoo("traffic"), FakeCuda()

    def session(name: str) -> CudaSession:
        variant = zoo.network_variant(name)
        return CudaSession(load_network(zoo, variant.network), variant.side_px, edge)

    sides_px = {one.name: one.side_px for one in zoo.zoo.variants[:2]}
    return LocalExecutor(session, zoo.zoo.fit, depth=2), sides_px


@pytest.fixture(
    params=[
        *(make_replayed, make_torch, make_cuda_on_a_cpu),
        pytest.param(make_cuda, marks=pytest.mark.gpu),
    ]
)
def loaded(request):
    executor, sides = request.param()
    first, second = sides
    executor.load(first, 3)
    return executor, sides, first, second


def pictures(side: int, number: int) -> list[Fitted]:
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (side, side, 3), np.uint8) for _ in range(number)]
    return [Fitted(one, (side, side)) for one in noise]


def run(executor, variant: str, batch: list[Fitted]) -> list[Detections]:
    return executor.finish(executor.start(variant, [executor.prepare(one) for one in batch]))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_picture_gets_its_detections(loaded, number):
    executor, sides, first, _ = loaded
    found = run(executor, first, pictures(sides[first], number))
    assert len(found) == number
    for one in found:
        assert isinstance(one, Detections)
        assert ((one.boxes >= 0) & (one.boxes <= 1)).all()


def test_loading_twice_and_unloading_twice_do_no_harm(loaded):
    executor, sides, first, _ = loaded
    executor.load(first, 3)
    assert len(run(executor, first, pictures(sides[first], 1))) == 1
    executor.unload(first)
    executor.unload(first)


def test_a_variant_that_is_not_loaded_does_not_run(loaded):
    executor, sides, first, second = loaded
    with pytest.raises(KeyError):
        run(executor, second, pictures(sides[second], 1))
    executor.unload(first)
    with pytest.raises(KeyError):
        run(executor, first, pictures(sides[first], 1))


def test_another_variant_can_be_loaded_while_batches_run(loaded):
    executor, sides, first, second = loaded
    loader = threading.Thread(target=executor.load, args=(second, 3))
    loader.start()
    while loader.is_alive():
        assert len(run(executor, first, pictures(sides[first], 2))) == 2
    assert len(run(executor, second, pictures(sides[second], 2))) == 2
