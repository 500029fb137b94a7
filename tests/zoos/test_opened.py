"""Zoos are opened by name or folder, and vouch for their files."""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from toy_zoos import make_zoo

from moonjelly.core.errors import UsageError
from moonjelly.core.zoo import Colour, Fit, InputFormat
from moonjelly.vision.classes import COCO_CLASSES, TRAFFIC_CLASSES
from moonjelly.vision.detector import ARCHITECTURES
from moonjelly.zoos import (
    OpenedZoo,
    WeightsError,
    open_zoo,
    read_latency_file,
    read_variant_rows,
    user_zoos_dir,
    write_variants,
    write_zoo_file,
    zoo_beside,
    zoo_folders,
)

SHIPPED = ["loudva", "replayed-gpu", "traffic", "traffic-int8", "vehicles", "yolov4"]


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def weighted(tmp_path: Path) -> OpenedZoo:
    """A zoo whose network has a file."""
    zoo = make_zoo(tmp_path / "mine", {"net": [64, 96]})
    (zoo.folder / "net.onnx").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    networks = (replace(zoo.zoo.networks[0], file="net.onnx", sha256=digest),)
    write_zoo_file(zoo.folder, replace(zoo.zoo, networks=networks))
    return open_zoo(f"{zoo.folder}/")


def test_a_zoo_is_opened_by_its_name_or_by_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = make_zoo(user_zoos_dir() / "mine", {"a": [32]})
    assert open_zoo("mine") == mine
    assert list(zoo_folders()) == [*SHIPPED, "mine"]
    monkeypatch.chdir(mine.folder)
    assert open_zoo(".").name == open_zoo("../mine").name == "mine"
    assert open_zoo("traffic").zoo.class_names == TRAFFIC_CLASSES
    assert open_zoo("replayed-gpu").zoo.class_names == COCO_CLASSES


def test_a_users_zoo_does_not_take_the_place_of_a_shipped_one() -> None:
    make_zoo(user_zoos_dir() / "traffic", {"a": [32]})
    assert open_zoo("traffic").folder != user_zoos_dir() / "traffic"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (
            "cats",
            "zoo='cats': must be a folder with zoo.yaml, or one of loudva, replayed-gpu, traffic",
        ),
        ("./cats", r"zoo='\./cats': No such file"),
        ("/", "zoo='/': the folder holds no zoo.yaml"),
        ("a b", "zoo='a b': must be"),
        ("", "zoo='': must be"),
        ("/a\0b", "zoo="),
    ],
)
def test_what_is_no_zoo_is_refused_by_name(name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        open_zoo(name)


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UsageError, match=r"loop|symbolic links"):
        open_zoo(f"{tmp_path / 'a'}/")


def test_a_folder_that_cannot_be_read_is_named_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    locked = make_zoo(user_zoos_dir() / "locked", {"a": [32]})
    mine = make_zoo(user_zoos_dir() / "mine", {"a": [32]})
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if path.parent == locked.folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)  # root may read all
    assert open_zoo("mine") == mine
    with pytest.raises(UsageError, match="zoo='locked': must be a folder"):
        open_zoo("locked")
    with pytest.raises(UsageError, match=r"zoo=.*: Permission denied"):
        open_zoo(f"{locked.folder}/")


def test_a_zoos_folder_counts_from_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_zoo(tmp_path / "mine", {"a": [32]})
    monkeypatch.chdir(tmp_path)
    for zoo in ("./mine", "mine/", f"{tmp_path}/mine"):
        assert open_zoo(zoo_beside(zoo, Path("scenario.yaml"))).name == "mine"
    monkeypatch.chdir("/")
    assert open_zoo(zoo_beside("./mine", tmp_path / "scenario.yaml")).name == "mine"
    assert zoo_beside("traffic", tmp_path / "scenario.yaml") == "traffic"


def test_without_a_home_shipped_zoos_are_there_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert list(zoo_folders()) == SHIPPED


def test_a_zoo_that_was_not_measured_says_so(tmp_path: Path) -> None:
    zoo = make_zoo(tmp_path / "mine", {"a": [32]})
    zoo.variants_path.unlink()
    with pytest.raises(UsageError, match="zoo mine: has not been measured"):
        _ = open_zoo(f"{zoo.folder}/").variants


def test_a_table_of_other_variants_is_refused(tmp_path: Path) -> None:
    zoo = make_zoo(tmp_path / "mine", {"a": [32, 64]})
    networks = (replace(zoo.zoo.networks[0], sides_px=(32,)),)
    write_zoo_file(zoo.folder, replace(zoo.zoo, networks=networks))
    with pytest.raises(UsageError, match=r"variant a-64 of side 64 is none of zoo\.yaml"):
        _ = open_zoo(f"{zoo.folder}/").variants


def test_weights_are_read_if_they_are_what_the_zoo_says(weighted: OpenedZoo) -> None:
    (network,) = weighted.zoo.networks
    assert weighted.read_weights(network) == b"weights"
    (weighted.folder / "net.onnx").write_bytes(b"weight")
    with pytest.raises(
        WeightsError, match=r"net\.onnx: has changed since it was taken into the zoo"
    ):
        weighted.read_weights(network)
    (weighted.folder / "net.onnx").unlink()
    with pytest.raises(WeightsError, match=r"net\.onnx: cannot be read: No such file"):
        weighted.read_weights(network)


def test_a_network_without_a_file_can_be_replayed_alone(tmp_path: Path) -> None:
    zoo = make_zoo(tmp_path / "mine", {"a": [32]})
    with pytest.raises(WeightsError, match="network a has no file; it can be replayed alone"):
        zoo.read_weights(zoo.zoo.networks[0])
    assert zoo.digest == ""


def test_retrained_networks_are_told_from_the_ones_that_were_measured(weighted: OpenedZoo) -> None:
    other = replace(weighted.zoo.networks[0], name="other", sha256="0" * 64)
    both = OpenedZoo(
        weighted.folder, replace(weighted.zoo, networks=(*weighted.zoo.networks, other))
    )
    turned = OpenedZoo(weighted.folder, replace(both.zoo, networks=both.zoo.networks[::-1]))
    assert both.digest == turned.digest != weighted.digest


def test_the_shipped_profile_was_measured_with_the_shipped_weights() -> None:
    zoo = open_zoo("traffic")
    profile = read_latency_file(zoo.latency_path("cpu-1core"), zoo.variants)
    assert profile.fingerprint.weights == zoo.digest


def test_what_ships_is_whole_and_small() -> None:
    zoo = open_zoo("traffic")
    assert {network.name for network in zoo.zoo.networks} == set(ARCHITECTURES)
    assert sum(len(zoo.read_weights(network)) for network in zoo.zoo.networks) <= 8_000_000


def test_a_table_that_was_measured_with_other_networks_is_refused(weighted: OpenedZoo) -> None:
    rows = read_variant_rows(weighted.variants_path)
    write_variants(weighted.variants_path, rows, {"weights": weighted.digest})
    assert open_zoo(f"{weighted.folder}/").variants
    write_variants(weighted.variants_path, rows, {"weights": "0123456789ab"})
    with pytest.raises(UsageError, match="was measured with other networks"):
        _ = open_zoo(f"{weighted.folder}/").variants


@pytest.mark.parametrize(
    "change",
    [
        {"head": "yolov5"},
        {"input": InputFormat(colour=Colour.BGR)},
        {"input": InputFormat(mean=(0.5, 0.5, 0.5))},
        {"input": InputFormat(fit=Fit.LETTERBOX)},
    ],
)
def test_a_table_of_networks_that_were_read_otherwise_is_refused(
    weighted: OpenedZoo, change: dict[str, object]
) -> None:
    rows = read_variant_rows(weighted.variants_path)
    write_variants(weighted.variants_path, rows, {"weights": weighted.digest})
    (network,) = weighted.zoo.networks
    changed = replace(network, **change)
    write_zoo_file(weighted.folder, replace(weighted.zoo, networks=(changed,)))
    with pytest.raises(UsageError, match="or with these read otherwise"):
        _ = open_zoo(f"{weighted.folder}/").variants


def test_a_home_that_is_not_named_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))
    assert user_zoos_dir() == tmp_path / ".local" / "share" / "moonjelly" / "zoos"
