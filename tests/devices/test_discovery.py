from __future__ import annotations

import os

import pytest

from moonjelly.devices import discovery as devices
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.devices.cuda_probe import Gpu
from moonjelly.devices.discovery import check_cores, device_text, find_devices, parse_devices

H200, K80 = Gpu("NVIDIA H200"), Gpu("Tesla K80", "torch 2.13.0 has no kernels for it")


@pytest.mark.parametrize(
    ("cores", "chosen", "device_type"),
    [
        ({0}, (0,), "cpu-1core"),
        ({0, 1}, (1,), "cpu-1core"),
        ({0, 1, 2, 3}, (2, 3), "cpu-2cores"),
        ({4, 6, 9}, (9,), "cpu-1core"),
    ],
)
def test_without_a_gpu_the_last_half_of_the_cores_is_the_device(
    monkeypatch, cores, chosen, device_type
) -> None:
    monkeypatch.setattr(devices, "cuda_gpus", list)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    assert find_devices() == (DeviceConfig("cpu0", device_type, cores=chosen),)


def test_gpus_are_taken_where_there_are_any(monkeypatch) -> None:
    monkeypatch.setattr(devices, "cuda_gpus", lambda: [H200, H200])
    found = find_devices()
    assert [device.device_id for device in found] == ["cuda0", "cuda1"]
    assert {device.device_type for device in found} == {"nvidia-h200"}
    assert found[1].gpu == 1


def test_a_gpu_that_torch_cannot_use_is_left_out_or_refused(monkeypatch, caplog) -> None:
    monkeypatch.setattr(devices, "cuda_gpus", lambda: [K80, H200])
    assert [device.gpu for device in find_devices()] == [1]
    assert caplog.messages == ["cuda:0 (Tesla K80) is left out: torch 2.13.0 has no kernels for it"]
    with pytest.raises(ValueError, match="'cuda:0': Tesla K80 cannot be used: torch"):
        parse_devices(["cuda:0"])


def test_words_name_devices() -> None:
    first, second = parse_devices(["cpu:1,4-5", "replayed:gpu"])
    assert first == DeviceConfig("cpu0", "cpu-3cores", cores=(1, 4, 5))
    assert second == DeviceConfig("replayed1", "gpu", DeviceKind.REPLAYED)
    assert parse_devices(["auto"]) == ()


def test_a_replayed_device_may_obey_a_script():
    (device,) = parse_devices(["replayed:gpu@10:2+15:1"])
    assert device == DeviceConfig("replayed0", "gpu", DeviceKind.REPLAYED, slowdown="10:2+15:1")


@pytest.mark.parametrize(
    "word",
    [
        *("", "cpu", "cpu:", "cpu:a", "cpu:1-", "cpu:2-1", "cpu:-1", "cpu:99999", "cpu:0,0"),
        *("cuda", "cuda:x", "tpu:0", "gpu:0", "replayed:", "replayed:a/b", "auto:1"),
        *("replayed:gpu@x", "replayed:@1:2"),
    ],
)
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"must be|cores must|there are|listed twice"):
        parse_devices([word])


def test_a_gpu_that_is_not_there_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(devices, "cuda_gpus", lambda: [H200])
    assert parse_devices(["cuda:0"])[0].device_type == "nvidia-h200"
    with pytest.raises(ValueError, match="there are 1 CUDA devices"):
        parse_devices(["cuda:1"])


def test_a_core_belongs_to_one_device_and_has_to_exist(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    check_cores(parse_devices(["cpu:0", "cpu:1"]))
    with pytest.raises(ValueError, match="belongs to cpu0"):
        check_cores(parse_devices(["cpu:0-1", "cpu:1"]))
    with pytest.raises(ValueError, match="no core 7"):
        check_cores(parse_devices(["cpu:7"]))


@pytest.mark.parametrize("text", ["cpu:1,3", "replayed:gpu", "replayed:gpu@10:2+15:1"])
def test_a_device_is_written_as_it_is_read(text: str) -> None:
    assert device_text(*parse_devices([text])) == text
