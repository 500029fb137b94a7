from __future__ import annotations

import ctypes
import json
import logging
import subprocess
import sys

import pytest

from moonjelly.devices import cuda_probe
from moonjelly.devices.cuda_probe import Gpu, cuda_gpus, has_kernels, read_probe


@pytest.mark.parametrize(
    ("kernels", "capability", "has"),
    [
        (["sm_80", "sm_90"], (9, 0), True),
        (["sm_80", "sm_90"], (8, 6), True),
        (["sm_86"], (8, 0), False),
        (["sm_75", "sm_90a"], (3, 7), False),
        (["sm_90", "compute_90"], (10, 0), True),
        (["compute_120"], (10, 0), False),
        ([], (9, 0), False),
    ],
)
def test_binaries_run_on_their_generation_and_code_on_all_later(kernels, capability, has) -> None:
    assert has_kernels(kernels, capability) is has


def said(**facts: object) -> str:
    usual = {"version": "2.13.0", "cuda": "13.0", "trouble": "", "kernels": ["sm_90"], "gpus": []}
    return "a library's banner\n" + json.dumps({**usual, **facts})


def test_devices_come_in_their_order_each_with_its_trouble() -> None:
    gpus, trouble = read_probe(said(gpus=[["Tesla K80", [3, 7]], ["NVIDIA H200", [9, 0]]]))
    assert trouble == ""
    assert [one.name for one in gpus] == ["Tesla K80", "NVIDIA H200"]
    assert gpus[0].trouble == "torch 2.13.0 has no kernels for compute capability 3.7, only sm_90"
    assert gpus[1].trouble == ""


@pytest.mark.parametrize(
    ("facts", "trouble"),
    [
        (
            {"cuda": None, "version": "2.13.0+cpu"},
            "torch 2.13.0+cpu is built without CUDA: install",
        ),
        ({"trouble": "The NVIDIA driver on your system is too old"}, "is too old"),
        ({}, "is CUDA_VISIBLE_DEVICES right"),
    ],
)
def test_no_device_has_a_reason(facts, trouble) -> None:
    gpus, told = read_probe(said(**facts))
    assert gpus == []
    assert trouble in told


def test_the_reason_is_one_warning_where_there_is_a_driver(monkeypatch, caplog) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: None)
    with caplog.at_level(logging.WARNING):
        found = cuda_gpus()  # the real probe, with the torch that is installed
    assert len(caplog.records) == (0 if found else 1)
    assert all(isinstance(one, Gpu) for one in found)
    monkeypatch.setattr(cuda_probe, "_PROBE", "raise SystemExit(3)")
    caplog.clear()
    assert cuda_gpus() == []
    (line,) = caplog.messages
    assert "cannot ask for CUDA devices" in line


def test_without_a_driver_torch_is_not_even_loaded(monkeypatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: sys.exit("it asked"))
    assert cuda_gpus() == []
