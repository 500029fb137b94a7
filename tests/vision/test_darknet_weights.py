"""Weights that are not those of their cfg are refused with both numbers, before anything large is read or made."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from darknet_networks import make_darknet, write_weights
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moonjelly.core.errors import UsageError
from moonjelly.vision.darknet import Darknet
from moonjelly.vision.darknet_cfg import read_sections
from moonjelly.vision.darknet_weights import read_network, read_weights, write_network

HEAD = "[net]\nwidth=64\nheight=64\n"
SMALL = HEAD + (
    "[conv]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nactivation=mish\n"
    "[conv]\nfilters=7\nactivation=linear\n[yolo]\nanchors=10,20\nclasses=2\nnum=1\n"
)
NUM = 4 * 4 + 4 * 27 + 7 + 28


def build(text: str = SMALL) -> Darknet:
    return Darknet(read_sections("net.cfg", text))


def numbers() -> list[np.ndarray]:
    return [np.linspace(0.1, 1, NUM, dtype=np.float32)]


def refusal(path: Path, network: Darknet | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        read_weights(path, network or build())
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("version", [(0, 1), (0, 2), (0, 3), (1, 0), (2, 0)])
def test_every_version_of_the_header_is_read(version: tuple[int, int], tmp_path: Path) -> None:
    network, newest = build(), build()
    path = write_weights(tmp_path / "a.weights", numbers(), version)
    assert path.stat().st_size == 4 * NUM + (16 if version == (0, 1) else 20)
    read_weights(path, network)
    read_weights(write_weights(tmp_path / "b.weights", numbers()), newest)
    for one, other in zip(network.parameters(), newest.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("excess", [-NUM * 4, -400, -4, -1, 1, 4, 400])
def test_a_file_of_another_length_is_refused_with_both_numbers(excess: int, tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.weights", numbers())
    content = path.read_bytes()
    path.write_bytes(content[:excess] if excess < 0 else content + b"x" * excess)
    said = refusal(path)
    assert f"has {len(content) + excess} bytes: its cfg needs {len(content)}" in said


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    with path.open("wb") as file:
        file.truncate(2**40)
    tracemalloc.start()
    said = refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert f"has {2**40} bytes: its cfg needs {4 * NUM}" in said


def test_a_huge_network_is_refused_unmade(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "a.weights", numbers())
    wide = "[conv]\nfilters=16384\nsize=63\npad=1\n" * 9
    network = build(HEAD + wide + SMALL.removeprefix(HEAD))
    assert network.num_weights > 10**12
    assert f"has {20 + 4 * NUM} bytes: its cfg needs {20 + 4 * network.num_weights}" in refusal(
        path, network
    )


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "none.weights")
    assert "must be a file" in refusal(tmp_path)
    assert "must be a file" in refusal(Path("/dev/zero"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_with_their_section(value, tmp_path: Path) -> None:
    (one,) = numbers()
    one[-1] = value
    path = write_weights(tmp_path / "a.weights", [one])
    assert "has numbers that are none, of the section in line 10" in refusal(path)
    one[-1], one[12] = 1, -1  # a variance
    write_weights(path, [one])
    assert "has numbers that are none, of the section in line 4" in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.tuples(st.sampled_from([b"PK\x03\x04", b"\x80\x02", b"\0\0\0\0"]), st.binary()).map(
            b"".join
        ),
        st.binary(min_size=20 + 4 * NUM, max_size=20 + 4 * NUM),
    )
)
def test_any_bytes_are_weights_or_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.weights"
    path.write_bytes(content)
    network, said = build(), ""
    try:
        read_weights(path, network)
    except UsageError as error:
        said = str(error)
    assert said.startswith(f"{path}: ") or all(one.isfinite().all() for one in network.parameters())
    assert "\n" not in said


def saved(thing: object, path: Path, **options: bool) -> Path:
    torch.save(thing, path, **options)
    return path


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_state_dict_gives_the_same_network(is_zip: bool, tmp_path: Path) -> None:
    cfg, weights, reference = make_darknet(tmp_path, "yolov4", 32)
    one, other = (Darknet(read_sections("net.cfg", cfg.read_text())) for _ in range(2))
    read_weights(weights, one)
    state = reference.state()
    assert any(name.endswith("num_batches_tracked") for name in state)
    read_weights(saved(state, tmp_path / "a.pth", _use_new_zipfile_serialization=is_zip), other)
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_state_dict_of_another_network_is_refused(tmp_path: Path) -> None:
    cfg, _, reference = make_darknet(tmp_path, "yolov3-tiny")
    network = Darknet(read_sections("net.cfg", cfg.read_text()))
    state = reference.state()
    path = tmp_path / "a.pth"
    fewer = dict(list(state.items())[:-2])
    assert "has 57 tensors: its cfg needs 59" in refusal(saved(fewer, path), network)
    names = list(state)
    swapped = {name: state[name] for name in (names[1], names[0], *names[2:])}
    said = refusal(saved(swapped, path), network)
    assert "'models.0.bn.weight' is [2]: the section in line" in said
    assert "needs weight [2, 3, 3, 3]" in said
    state[names[0]] = state[names[0]].to(torch.int32)
    assert "must hold tensors of floats alone" in refusal(saved(state, path), network)


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("thing", [[1, 2], {"a": 1}, {1: torch.zeros(2)}, torch.zeros(3), None])
def test_what_is_no_state_dict_is_refused(thing: object, tmp_path: Path) -> None:
    assert "is no plain state dict" in refusal(saved(thing, tmp_path / "a.pth"))


def test_code_in_a_state_dict_is_not_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        path = saved({"layers.0.weight": _Code()}, tmp_path / "a.pth", **options)
        assert "is no plain state dict" in refusal(path)
    (tmp_path / "b.pth").write_bytes(pickle.dumps(_Code(), protocol=2))
    assert "is no plain state dict" in refusal(tmp_path / "b.pth")
    assert not (tmp_path / "ran").exists()


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data/0", bytes(2**26))
    assert path.stat().st_size < 2**20
    assert f"unpacks to {2**26} bytes: must be at most" in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_bent_state_dict_is_read_or_refused_in_one_line(data, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    is_zip = data.draw(st.booleans())
    torch.save({"a.weight": torch.zeros(4, 3, 3, 3)}, buffer, _use_new_zipfile_serialization=is_zip)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "bent.pth"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    refusal(path)


def test_a_zoos_own_file_that_is_none_is_refused(tmp_path: Path) -> None:
    network = build()
    read_weights(write_weights(tmp_path / "a.weights", numbers()), network)
    content = write_network(network, SMALL)
    assert read_network("a", content).num_classes == 2
    length = struct.unpack("<Q", content[:8])[0]
    for bent in (b"", content[:40], content[: length + 30], b"\xff" * 60, content[:8] + b"x" * 300):
        with pytest.raises(UsageError, match="a: is no file of a Darknet network"):
            read_network("a", bent)
    with pytest.raises(UsageError, match="a: its weights are not those of its cfg"):
        read_network("a", write_network(network, SMALL.replace("filters=4", "filters=5")))
