"""Which card a CUDA index means."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from moonjelly.zoos import cuda_fingerprint, gpus
from moonjelly.zoos.gpus import Card, card_of, cards, number_gpus_by_place

SMALL, LARGE = Card("T4", "GPU-11aa"), Card("H100", "GPU-22bb")
MIXED = (SMALL, LARGE)
BY_PLACE = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@pytest.mark.parametrize(
    ("gpu", "environment", "card"),
    [
        (0, BY_PLACE, SMALL),
        (1, BY_PLACE, LARGE),
        (2, BY_PLACE, None),
        (0, BY_PLACE | {"CUDA_VISIBLE_DEVICES": "1"}, LARGE),
        (1, BY_PLACE | {"CUDA_VISIBLE_DEVICES": "1"}, None),
        (1, BY_PLACE | {"CUDA_VISIBLE_DEVICES": "1, 0"}, SMALL),
        (0, BY_PLACE | {"CUDA_VISIBLE_DEVICES": ""}, None),
        (0, BY_PLACE | {"CUDA_VISIBLE_DEVICES": "7"}, None),
        (0, BY_PLACE | {"CUDA_VISIBLE_DEVICES": "-1"}, None),
        (0, {"CUDA_VISIBLE_DEVICES": "GPU-22"}, LARGE),
        (0, {"CUDA_VISIBLE_DEVICES": "GPU-"}, None),
        (0, {"CUDA_VISIBLE_DEVICES": "MIG-22bb"}, None),
        (0, {}, None),  # the fastest first: which that is cannot be told
        (0, {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, None),
    ],
)
def test_an_index_means_what_cuda_takes_it_for_or_nothing(gpu, environment, card):
    assert card_of(gpu, MIXED, environment) == card


def test_among_cards_of_one_model_the_order_does_not_matter():
    assert card_of(1, (SMALL, SMALL), {}) == SMALL


def test_the_driver_s_files_tell_where_nvml_is_not_installed(tmp_path: Path, monkeypatch):
    for bus, card in (("0000:01", SMALL), ("0000:02", LARGE)):
        (tmp_path / bus).mkdir()
        text = f"Model: \t\t {card.model}\nIRQ: 4\nGPU UUID: \t {card.uuid}\n"
        (tmp_path / bus / "information").write_text(text)
    monkeypatch.setattr(gpus, "CARDS_FOLDER", tmp_path)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert cards() == [*MIXED]
    monkeypatch.setattr(gpus, "CARDS_FOLDER", tmp_path / "nothing")
    assert cards() == []


class _NvmlError(Exception):
    pass


def test_nvml_tells_where_the_files_are_hidden_as_in_a_container(tmp_path: Path, monkeypatch):
    ended: list[bool] = []
    library = SimpleNamespace(
        NVMLError=_NvmlError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: ended.append(True),
        nvmlDeviceGetCount=lambda: len(MIXED),
        nvmlDeviceGetHandleByIndex=lambda number: MIXED[number],
        nvmlDeviceGetName=lambda card: card.model,
        nvmlDeviceGetUUID=lambda card: card.uuid,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(gpus, "CARDS_FOLDER", tmp_path)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert cuda_fingerprint(1).processor == "H100"
    assert cuda_fingerprint(2).processor == "unknown"
    assert ended == [True, True]

    def fail() -> int:
        raise _NvmlError

    library.nvmlDeviceGetCount = fail
    assert cuda_fingerprint(0).processor == "unknown"
    library.nvmlInit = fail
    assert cards() == []


def test_what_the_user_says_of_the_order_stays(monkeypatch):
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    number_gpus_by_place()
    assert gpus.os.environ["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    number_gpus_by_place()
    assert gpus.os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
