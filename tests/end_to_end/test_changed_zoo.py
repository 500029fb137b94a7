"""A zoo is changed while it is served: streams go on, and what cannot be believed changes nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from moonjelly import client as sdk
from moonjelly.cli import main
from moonjelly.client.sources import ArraySource
from moonjelly.server.running_server import RunningServer
from moonjelly.training.export import export_onnx
from moonjelly.training.test_pictures import draw_test_pictures
from moonjelly.zoos import open_zoo

pytestmark = pytest.mark.slow
LIMIT_S = 90.0
FPS = 8.0
PICTURE = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A measured zoo of one network at one side, and another network that is not in it yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shipped = open_zoo("traffic")
    export_onnx(shipped, shipped.zoo.networks[0], tmp_path / "street.onnx")
    shutil.copy(tmp_path / "street.onnx", tmp_path / "second.onnx")
    (tmp_path / "classes.txt").write_text("\n".join(shipped.zoo.class_names))
    draw_test_pictures(tmp_path, 2, 1)
    add(tmp_path, "street.onnx")
    return tmp_path


def add(folder: Path, file: str) -> None:
    names = ["--classes", str(folder / "classes.txt"), "--sides", "128", "--runtime", "auto"]
    assert main(["zoo", "add", str(folder / file), "--name", "street", *names]) == 0
    labels = ["--annotations", str(folder / "annotations.json")]
    assert main(["zoo", "measure", "street", "--images", str(folder / "images"), *labels]) == 0


async def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        await asyncio.sleep(0.05)


async def test_streams_go_on_while_the_zoo_changes(folder: Path) -> None:
    log_path, answers = folder / "server.log", list[sdk.Answer]()
    with RunningServer(["--zoo", "street", "--devices", "cpu:0"], log_path=log_path) as server:

        async def read(stream: sdk.Stream) -> None:
            async for answer in stream:
                answers.append(answer)

        def has_said(text: str) -> bool:
            return text in log_path.read_text()

        async with sdk.connect(server.address) as client:
            source = ArraySource([PICTURE])
            async with client.stream(source, fps=FPS, slo_ms=1000, num_frames=100_000) as stream:
                reading = asyncio.create_task(read(stream))
                await until(lambda: len(answers) > FPS)

                weights = open_zoo("street").folder / "street.onnx"
                kept = weights.read_bytes()
                weights.unlink()  # the copy that is served is a link to it
                weights.write_bytes(kept[: len(kept) // 2])
                zoo_file = open_zoo("street").folder / "zoo.yaml"
                told = zoo_file.read_text()
                zoo_file.write_text(told.replace("sides_px: [128]", "sides_px: [128, 160]"))
                os.kill(server.pid, signal.SIGHUP)
                await until(lambda: has_said("is not served: "))
                assert has_said("has changed since it was taken into the zoo")
                weights.write_bytes(kept)
                zoo_file.write_text(told)

                await asyncio.to_thread(add, folder, "second.onnx")
                before = len(answers)
                os.kill(server.pid, signal.SIGHUP)
                await until(lambda: has_said("the zoo is served as it is now"))
                settled = len(answers)
                await until(lambda: any(one.is_in_time for one in answers[settled + int(FPS) :]))
                assert stream.class_names == open_zoo("traffic").zoo.class_names
                stream.stop()
                await reading
    text = log_path.read_text()
    assert text.count("draining 1 streams") == 1
    assert sorted(one.sequence for one in answers) == list(range(len(answers)))
    assert any(one.is_in_time for one in answers[before:settled])  # while it was looked at
    variants = {one.record.variant for one in answers if one.record.variant}
    assert "street-128" in variants
