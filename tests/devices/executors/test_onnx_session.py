"""ONNX Runtime runs what it is given, where it should, and sends nothing to its maker."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from toy_networks import SIDE_PX, NoNumber, Toy, export

from moonjelly.core.errors import RunError
from moonjelly.core.zoo import Colour, Fit, InputFormat, Network, Runtime, Task, Zoo
from moonjelly.devices.detecting import SessionOpener
from moonjelly.devices.executors.local_executor import LocalExecutor
from moonjelly.devices.executors.onnx_session import load_onnx, onnx_session
from moonjelly.vision.fits import Fitted
from moonjelly.vision.network_input import input_shape, write_input
from moonjelly.vision.postprocessing import BrokenOutput
from moonjelly.zoos import OpenedZoo, WeightsError, open_zoo, write_zoo_file

KEPT = """
import os, sys, time
{first}
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
time.sleep(2)
"""


def make(folder: Path, *networks: tuple[str, bytes, InputFormat]) -> OpenedZoo:
    import hashlib

    folder.mkdir()
    listed = []
    for name, content, form in networks:
        (folder / f"{name}.onnx").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        listed.append(
            Network(name, (SIDE_PX,), f"{name}.onnx", digest, Runtime.ONNX, "yolov8", form)
        )
    write_zoo_file(folder, Zoo(folder.name, Task.DETECTION, ("r", "g", "b"), tuple(listed)))
    return open_zoo(f"{folder}/")


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return export(Toy(), tmp_path / "toy.onnx").read_bytes()


def one_colour(colour: tuple[int, int, int]) -> Fitted:
    picture = np.empty((SIDE_PX, SIDE_PX, 3), np.uint8)
    picture[:] = colour
    return Fitted(picture, (SIDE_PX, SIDE_PX))


def test_what_was_loaded_is_shared_as_long_as_somebody_has_it(
    content: bytes, tmp_path: Path
) -> None:
    zoo = make(tmp_path / "mine", ("a", content, InputFormat()))
    (variant,) = zoo.zoo.variants
    first, second = (onnx_session(zoo, variant) for _ in range(2))
    assert first._model is second._model
    assert onnx_session(zoo, variant, num_threads=2)._model is not first._model


def test_a_model_is_let_go_when_its_last_variant_is_unloaded(
    content: bytes, tmp_path: Path
) -> None:
    zoo = make(tmp_path / "mine", ("a", content, InputFormat()))
    executor = LocalExecutor(SessionOpener(zoo), zoo.zoo.fit)
    name = zoo.zoo.variants[0].name
    executor.load(name, 2)
    model = weakref.ref(executor._loaded[name]._model)
    executor.unload(name)
    gc.collect()
    assert model() is None
    executor.prepare(one_colour((0, 0, 0)))  # what was asked for before does no harm


def test_networks_of_one_side_that_take_other_numbers_may_take_turns(
    content: bytes, tmp_path: Path
) -> None:
    rgb, bgr = InputFormat(Fit.STRETCH, Colour.RGB), InputFormat(Fit.STRETCH, Colour.BGR)
    zoo = make(tmp_path / "mine", ("rgb", content, rgb), ("bgr", content, bgr))
    executor = LocalExecutor(SessionOpener(zoo), zoo.zoo.fit)
    for variant in zoo.zoo.variants:
        executor.load(variant.name, 2)
    red = one_colour((250, 0, 0))
    for name, expected in (("rgb-64", 0), ("bgr-64", 2), ("rgb-64", 0)):
        waited = [executor.prepare(red), executor.prepare(red)]  # for the one that ran last
        for found in executor.finish(executor.start(name, waited)):
            assert set(found.class_ids.tolist()) == {expected}


def test_numbers_that_are_none_are_told(tmp_path: Path) -> None:
    content = export(NoNumber(), tmp_path / "odd.onnx").read_bytes()
    zoo = make(tmp_path / "mine", ("odd", content, InputFormat()))
    session = onnx_session(zoo, zoo.zoo.variants[0])
    batch = session.places(1)
    session.write(one_colour((0, 0, 0)).picture, batch[0])
    with pytest.raises(BrokenOutput):
        session.answers(session.infer(batch))


def test_a_file_that_cannot_be_run_is_told_in_one_line(tmp_path: Path) -> None:
    zoo = make(tmp_path / "mine", ("odd", b"no network", InputFormat()))
    with pytest.raises(WeightsError, match=r"odd\.onnx: ONNX Runtime cannot load it: .") as caught:
        onnx_session(zoo, zoo.zoo.variants[0])
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_no_reason_to_run_elsewhere(content: bytes) -> None:
    with pytest.raises(RunError, match="no CUDA here: install onnxruntime-gpu"):
        load_onnx(content, gpu=0)


@pytest.mark.parametrize("colour", Colour)
@pytest.mark.parametrize("is_nhwc", [False, True])
def test_pictures_are_written_as_the_format_says(colour: Colour, is_nhwc: bool) -> None:
    form = InputFormat(
        Fit.STRETCH, colour, 255.0, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), is_nhwc=is_nhwc
    )
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    out = np.empty(input_shape(8, form), np.float32)
    write_input(picture, form, out)
    ordered = picture if colour is Colour.RGB else picture[:, :, ::-1]
    expected = (ordered / 255.0 - np.array(form.mean)) / np.array(form.std)
    np.testing.assert_allclose(out if is_nhwc else out.transpose(1, 2, 0), expected, atol=1e-5)


@pytest.mark.slow
def test_nothing_is_kept_of_it_nor_sent(content: bytes, tmp_path: Path) -> None:
    """The library keeps and sends what it sees unless it is told not to, as the first run shows."""
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    kept = {}
    for first in ("", "import moonjelly.devices.executors.onnx_session"):
        home = tmp_path / f"home{len(kept)}"
        home.mkdir()
        subprocess.run(  # by itself it keeps nothing where it takes a variable for a CI's, such as CI
            [sys.executable, "-c", KEPT.format(first=first), str(path)],
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
            check=True,
        )
        kept[first] = [one for one in home.rglob("*") if one.is_file()]
    untold, told = kept.values()
    assert told == []
    assert untold, "this release keeps nothing by itself: the setting and this test may go"


def test_whatever_loads_the_library_loads_the_place_that_quiets_it_first() -> None:
    sources = Path(__file__).parents[3] / "src"
    users = []
    for path in sources.rglob("*.py"):
        lines = [line.strip() for line in path.read_text().splitlines()]
        loads = [
            n for n, line in enumerate(lines) if re.match(r"(import|from) onnxruntime\b", line)
        ]
        quiets = [
            n
            for n, line in enumerate(lines)
            if "import onnx_session" in line or "ORT_DISABLE_TELEMETRY" in line
        ]
        if loads:
            users.append(path.name)
            assert quiets, path
            assert quiets[0] < loads[0], path
    assert sorted(users) == ["onnx_session.py", "quantising.py"]
