"""The GPU's session, over an edge that is a CPU: what is recorded, where, and what comes of it."""

from __future__ import annotations

import gc
import logging
import weakref
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from darknet_networks import make_darknet
from fake_cuda import FakeCuda

from moonjelly.core.answers import Detections
from moonjelly.core.errors import RunError
from moonjelly.core.zoo import Fit
from moonjelly.devices.detecting import SessionOpener
from moonjelly.devices.executors import cuda
from moonjelly.devices.executors.cuda import CudaSession, cuda_session, graph_sizes
from moonjelly.devices.executors.cuda_edge import Lane
from moonjelly.devices.executors.local_executor import LocalExecutor
from moonjelly.devices.executors.port import DeviceLostError
from moonjelly.devices.executors.torch_session import TorchSession, load_network
from moonjelly.vision.answering import AnsweringNetwork
from moonjelly.vision.darknet import Darknet
from moonjelly.vision.darknet_cfg import read_sections
from moonjelly.vision.darknet_weights import read_weights
from moonjelly.vision.detector import build_network
from moonjelly.vision.fits import Fitted
from moonjelly.vision.postprocessing import box_ious
from moonjelly.vision.preprocessing import fit_picture
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import open_zoo

ZOO = open_zoo("traffic")
SIDE_PX = 192
LOST = RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # two wait long for each other where cores are busy


@pytest.fixture
def network() -> AnsweringNetwork:
    return load_network(ZOO, ZOO.zoo.networks[0])


@pytest.fixture
def edge() -> FakeCuda:
    return FakeCuda()


@cache
def street(seed: int) -> np.ndarray:
    return Scene(seed, "val", 640, 360).frame(40).image


def streets(number: int, side_px: int = SIDE_PX) -> list[Fitted]:
    """Four different ones, over and over."""
    return [fit_picture(street(k % 4), side_px, Fit.STRETCH) for k in range(number)]


def batch_of(session: CudaSession | TorchSession, pictures: list[Fitted]) -> np.ndarray:
    places = session.places(len(pictures))
    for place, one in zip(places, pictures, strict=True):
        session.write(one.picture, place)
    return places


def alone(network: AnsweringNetwork, pictures: list[Fitted]) -> list[Detections]:
    session = TorchSession(network, len(pictures[0].picture))
    return [session.answers(session.infer(batch_of(session, [one])))[0] for one in pictures]


def assert_same(found: Detections, expected: Detections) -> None:
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def test_there_is_a_graph_for_each_small_size_and_the_largest() -> None:
    assert graph_sizes(1) == [1]
    assert graph_sizes(8) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert graph_sizes(14) == [1, 2, 3, 4, 5, 6, 7, 8, 12, 14]


def test_graphs_are_recorded_before_a_variant_is_ready_and_away_from_batches(
    network: AnsweringNetwork, edge: FakeCuda
) -> None:
    CudaSession(network, SIDE_PX, edge).warm_up(3)
    told = [what for what in edge.told if what[1] != "wait"]
    assert told == [
        (Lane.LOADS, "record 3"), (Lane.LOADS, "record 2"), (Lane.LOADS, "record 1"),
        (Lane.LOADS, "mark"),
    ]  # fmt: skip
    assert edge.told[-1] == (None, "wait")


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_batch_repeats_the_graph_of_its_size_and_says_what_each_picture_says_alone(
    network: AnsweringNetwork, edge: FakeCuda, number: int
) -> None:
    session = CudaSession(network, SIDE_PX, edge)
    session.warm_up(4)
    edge.told.clear()
    pictures = streets(number)
    pending = session.infer(batch_of(session, pictures))
    assert edge.told == [(Lane.BATCHES, f"repeat {number}"), (Lane.BATCHES, "mark")]
    found = session.answers(pending)
    assert edge.told[-1] == (None, "wait")
    for one, expected in zip(found, alone(network, pictures), strict=True):
        assert len(expected) > 0
        assert_same(one, expected)


@pytest.mark.parametrize(("graph_s", "runs"), [(0.001, ["repeat 12"]), (0.1, [])])
def test_a_size_between_takes_the_next_larger_graph_only_if_that_is_faster(
    monkeypatch, network: AnsweringNetwork, edge: FakeCuda, graph_s: float, runs: list[str]
) -> None:
    def timed(session: CudaSession, work: object) -> float:
        return graph_s if work in [one.repeat for one in session.graphs.values()] else 0.01

    monkeypatch.setattr(CudaSession, "_timed", timed)
    session = CudaSession(network, 128, edge)
    session.warm_up(12)
    twelve = streets(12, 128)
    session.answers(session.infer(batch_of(session, twelve)))  # leaves its pictures behind
    edge.told.clear()
    nine = twelve[3:]
    found = session.answers(session.infer(batch_of(session, nine)))
    assert [what for _, what in edge.told if what.startswith("repeat")] == runs
    for one, expected in zip(found, alone(network, nine), strict=True):
        assert_same(one, expected)


def test_times_are_those_of_work_that_has_ended(network: AnsweringNetwork, edge: FakeCuda) -> None:
    session = CudaSession(network, 128, edge)
    assert session._timed(lambda: edge.told.append((None, "work"))) >= 0
    assert [what for _, what in edge.told] == ["mark", "wait", "work", "mark", "wait"] * 3


def test_a_batch_is_begun_while_another_runs_and_each_keeps_its_results(
    network: AnsweringNetwork, edge: FakeCuda
) -> None:
    executor = LocalExecutor(lambda _: CudaSession(network, SIDE_PX, edge), Fit.STRETCH, depth=2)
    executor.load("street", 2)
    pictures = streets(5)
    inputs = [executor.prepare(one) for one in pictures]
    edge.told.clear()
    running = [executor.start("street", inputs[k : k + 2]) for k in (0, 2)]
    assert (None, "wait") not in edge.told
    found = [*executor.finish(running[0])]
    running.append(executor.start("street", inputs[4:]))
    found += [*executor.finish(running[1]), *executor.finish(running[2])]
    for one, expected in zip(found, alone(network, pictures), strict=True):
        assert_same(one, expected)


def test_all_that_can_be_under_way_and_decoded_lies_in_pinned_memory(
    network: AnsweringNetwork, edge: FakeCuda
) -> None:
    executor = LocalExecutor(lambda _: CudaSession(network, 128, edge), Fit.STRETCH, depth=2)
    executor.load("street", 3)
    inputs = [executor.prepare(one) for one in streets(1, 128) * 12]
    (ring,) = executor._rings.values()
    assert all(one.prepared.array.base is not None for one in inputs)
    assert all(np.shares_memory(one.prepared.array, ring._places) for one in inputs)


def test_half_precision_finds_the_same_objects(edge: FakeCuda) -> None:
    exact = load_network(ZOO, ZOO.zoo.networks[0])
    half = load_network(ZOO, ZOO.zoo.networks[0], dtype=torch.float16)
    assert next(half.parameters()).dtype == torch.float16
    assert next(exact.parameters()).dtype == torch.float32
    session = CudaSession(half, SIDE_PX, edge)
    session.warm_up(2)
    pictures = streets(2)
    found = session.answers(session.infer(batch_of(session, pictures)), 0.3)
    for one, expected in zip(found, alone(exact, pictures), strict=True):
        sure = expected.scores > 0.35
        assert sure.any()
        ious = box_ious(expected.boxes[sure], one.boxes)
        ious[expected.class_ids[sure, None] != one.class_ids[None]] = 0
        assert ious.max(axis=1).min() > 0.9


def test_recordings_of_a_session_share_memory_and_those_of_two_do_not(
    network: AnsweringNetwork, edge: FakeCuda
) -> None:
    for side_px in (64, 96):  # one may be tried out while the other serves
        CudaSession(network, side_px, edge).warm_up(2)
    first, second, third, fourth = edge.pools
    assert first is second
    assert third is fourth
    assert first is not third


def test_a_network_is_let_go_when_its_last_variant_is_unloaded(edge: FakeCuda) -> None:
    def session(name: str) -> CudaSession:
        return CudaSession(build_network("traffic-n", 4).eval(), 64, edge)

    executor = LocalExecutor(session, Fit.STRETCH, depth=2)
    executor.load("street", 2)
    network = weakref.ref(executor._loaded["street"]._network)
    executor.unload("street")
    gc.collect()
    assert network() is None
    executor.prepare(streets(1, 64)[0])  # what was asked for before does no harm


def test_darknet_networks_run_as_well(tmp_path: Path, edge: FakeCuda) -> None:
    cfg, weights, _ = make_darknet(tmp_path, "yolov4", 32)
    network = Darknet(read_sections(str(cfg), cfg.read_text()))
    read_weights(weights, network)
    session = CudaSession(network, 64, edge)
    session.warm_up(3)
    pictures = streets(3, 64)
    found = session.answers(session.infer(batch_of(session, pictures)))
    for one, expected in zip(found, alone(network, pictures), strict=True):
        assert len(expected) > 0
        assert sorted(one.class_ids) == sorted(expected.class_ids)
        np.testing.assert_allclose(one.scores, expected.scores, atol=1e-4)


def test_where_memory_ends_there_are_fewer_graphs_and_one_line(
    network: AnsweringNetwork, edge: FakeCuda, caplog: pytest.LogCaptureFixture
) -> None:
    edge.most_recordings = 1
    session = CudaSession(network, SIDE_PX, edge)
    with caplog.at_level(logging.WARNING):
        session.warm_up(3)
    assert [one.message for one in caplog.records] == ["side 192: no memory for more than 1 graphs"]
    assert (Lane.LOADS, "forget") in edge.told
    (found,) = session.answers(session.infer(batch_of(session, streets(1))))
    assert_same(found, *alone(network, streets(1)))


def test_what_cannot_be_recorded_is_run_without_a_graph_and_no_device_is_lost(
    network: AnsweringNetwork, edge: FakeCuda, caplog: pytest.LogCaptureFixture
) -> None:
    edge.refusal = RuntimeError("CUDA error: operation not permitted when stream is capturing")
    session = CudaSession(network, SIDE_PX, edge)
    with caplog.at_level(logging.WARNING):
        session.warm_up(2)
    assert session.graphs == {}
    assert [one.message.rpartition(":")[0] for one in caplog.records] == [
        f"side 192: no graph for batches of {size}: CUDA error" for size in (2, 1)
    ]
    (found,) = session.answers(session.infer(batch_of(session, streets(1))))
    assert_same(found, *alone(network, streets(1)))
    edge.refusal = LOST
    with pytest.raises(DeviceLostError):
        CudaSession(network, SIDE_PX, edge).warm_up(1)


def test_a_batch_that_is_too_large_for_the_gpu_runs_in_halves(
    monkeypatch, network: AnsweringNetwork, edge: FakeCuda
) -> None:
    edge.most_recordings = 0
    session = CudaSession(network, SIDE_PX, edge)
    executor = LocalExecutor(lambda _: session, Fit.STRETCH, depth=2)
    executor.load("street", 4)
    run, sizes = session._run, []

    def short_of_memory(frames: torch.Tensor) -> tuple[torch.Tensor, ...]:
        sizes.append(len(frames))
        if len(frames) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return run(frames)

    monkeypatch.setattr(session, "_run", short_of_memory)
    pictures = streets(4)
    found = executor.finish(executor.start("street", [executor.prepare(one) for one in pictures]))
    assert sizes == [4, 2, 2]
    for one, expected in zip(found, alone(network, pictures), strict=True):
        assert_same(one, expected)


def test_a_lost_gpu_is_told_from_a_batch_that_failed(
    monkeypatch, network: AnsweringNetwork, edge: FakeCuda
) -> None:
    session = CudaSession(network, SIDE_PX, edge)
    session.warm_up(1)
    pending = session.infer(batch_of(session, streets(1)))
    edge.failure = LOST
    with pytest.raises(DeviceLostError, match="illegal memory access"):
        session.answers(pending)
    with pytest.raises(DeviceLostError):
        CudaSession(network, SIDE_PX, edge).warm_up(1)
    monkeypatch.setattr(session, "graphs", {})
    monkeypatch.setattr(session, "_run", lambda _: (_ for _ in ()).throw(RuntimeError("shape")))
    with pytest.raises(RuntimeError, match="shape"):
        session.infer(batch_of(session, streets(1)))


def test_a_zoo_is_opened_in_half_precision_with_channels_last(monkeypatch, edge: FakeCuda) -> None:
    monkeypatch.setattr(cuda, "edge_of", lambda gpu: edge if gpu == 1 else None)
    small, large = (
        cuda_session(ZOO, ZOO.network_variant(f"traffic-n-{side}"), 1) for side in (128, 320)
    )
    assert small._network is large._network
    kernels = [one for one in small._network.parameters() if one.ndim == 4]
    assert all(one.dtype == torch.float16 for one in kernels)
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in kernels)


def test_without_a_gpu_a_variant_does_not_load_and_says_why() -> None:
    executor = LocalExecutor(SessionOpener(ZOO, 0), Fit.STRETCH)
    if torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    with pytest.raises(RunError, match=r"variant traffic-n-128 cannot be loaded: .*CUDA"):
        executor.load("traffic-n-128", 1)
