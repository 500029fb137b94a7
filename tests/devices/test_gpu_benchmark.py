"""The benchmark that waits for a GPU: what of it can run does, over an edge that is a CPU."""

from __future__ import annotations

from pathlib import Path

import gpu
import torch
from darknet_networks import make_darknet
from fake_cuda import FakeCuda

from moonjelly.devices.cuda_probe import Gpu
from moonjelly.vision.darknet import Darknet
from moonjelly.vision.darknet_cfg import read_sections
from moonjelly.vision.darknet_weights import read_weights


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch, capsys, tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    for gpus, why in (([], "there are 0"), ([Gpu("Tesla K80", "too old")], "too old")):
        monkeypatch.setattr(gpu, "cuda_gpus", lambda gpus=gpus: gpus)
        assert gpu.main(["--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert said == f"gpu.py: error: cuda:0: no CUDA device to measure: {why}\n"
    assert not out.exists()


def test_all_that_it_measures_can_be_measured(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "SIZES", (1, 2))
    monkeypatch.setattr(gpu, "MAX_BATCH_SIZE", 2)
    torch.set_num_threads(1)
    cfg, weights, _ = make_darknet(tmp_path, "yolov4", 32)
    network = Darknet(read_sections(str(cfg), cfg.read_text()))
    read_weights(weights, network)
    found = gpu.measure(FakeCuda(), network, 128, num_rounds=1, seconds=0.05)
    for one in found["differences"].values():
        assert one["sure_boxes"] > 0
        assert one["boxes_lost"] == 0
        assert 0 < one["largest_score_gap"] < 0.02  # half precision, and not the same network twice
    assert set(found["yolov4_ms"]) == {"batch_1", "batch_2"}
    times_ms = [ms for row in found["yolov4_ms"].values() for ms in row.values()]
    assert all(ms > 0 for ms in (*times_ms, *found["yolov4_fps"].values()))
    assert set(found["batch_of_1_ms"]) == {"alone", "beside loads"}
    assert next(network.parameters()).dtype == torch.float16


def test_its_yolov4_is_the_published_one() -> None:
    network = gpu.random_yolov4()
    assert network.num_weights == 64_429_405
    assert network.condenser(608)
