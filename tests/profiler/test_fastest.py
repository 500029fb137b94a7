"""The faster of two libraries runs what leaves the choice."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from moonjelly.core.errors import RunError
from moonjelly.core.zoo import Runtime
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.profiler import fastest
from moonjelly.profiler.fastest import fastest_runtimes
from moonjelly.zoos import OpenedZoo, open_zoo

CPU = DeviceConfig("cpu0", "cpu-1core")
GPU = DeviceConfig("gpu0", "gpu", DeviceKind.CUDA, gpu=0)


@pytest.fixture
def zoo() -> OpenedZoo:
    """One network that leaves the choice, one that does not."""
    zoo = open_zoo("traffic-int8")
    return zoo.run_with({zoo.zoo.networks[0].name: Runtime.AUTO})


class Timed:
    """A session that takes so long."""

    def __init__(self, took_s: float) -> None:
        self.took_s = took_s

    def places(self, number: int):
        return np.empty((number, 3, 8, 8), np.float32)

    def infer(self, batch):
        time.sleep(self.took_s)
        return batch

    def answers(self, outputs):
        return outputs


@pytest.mark.parametrize("faster", [Runtime.ONNX, Runtime.OPENVINO])
def test_the_faster_one_is_chosen(zoo, monkeypatch, faster) -> None:
    def opener(opened: OpenedZoo, *_: object):
        runtime = opened.zoo.networks[0].runtime
        return lambda _: Timed(0.0005 if runtime is faster else 0.004)

    monkeypatch.setattr(fastest, "SessionOpener", opener)
    assert fastest_runtimes(zoo, CPU) == {"traffic-n-int8": faster}


def test_what_cannot_load_it_is_not_chosen(zoo, monkeypatch) -> None:
    def opener(opened: OpenedZoo, *_: object):
        def open_session(_: str) -> Timed:
            if opened.zoo.networks[0].runtime is Runtime.OPENVINO:
                raise RunError("no")
            return Timed(0.004)

        return open_session

    monkeypatch.setattr(fastest, "SessionOpener", opener)
    assert fastest_runtimes(zoo, CPU) == {"traffic-n-int8": Runtime.ONNX}


def test_a_gpu_leaves_no_choice(zoo) -> None:
    assert fastest_runtimes(zoo, GPU) == {"traffic-n-int8": Runtime.ONNX}


def test_where_one_is_installed_nothing_is_measured(zoo, monkeypatch) -> None:
    monkeypatch.setattr(fastest, "onnx_runtimes", lambda: (Runtime.ONNX,))
    assert fastest_runtimes(zoo, CPU) == {"traffic-n-int8": Runtime.ONNX}


def test_a_zoo_is_run_as_chosen_and_keeps_its_digest(zoo) -> None:
    first, second = zoo.run_with({"traffic-n-int8": Runtime.OPENVINO}).zoo.networks
    assert (first.runtime, second.runtime) == (Runtime.OPENVINO, Runtime.ONNX)
    assert first == replace(zoo.zoo.networks[0], runtime=Runtime.OPENVINO)
    assert zoo.run_with({}).digest == zoo.digest
    assert set(zoo.libraries) == {"onnxruntime", "openvino"}
