from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from moonjelly.core.answers import Detections
from moonjelly.core.zoo import Fit
from moonjelly.devices.detecting import PictureRunner, SessionOpener
from moonjelly.devices.executors.local_executor import LocalExecutor
from moonjelly.devices.executors.torch_session import TorchSession, load_network, torch_session
from moonjelly.vision.answering import AnsweringNetwork
from moonjelly.vision.detector import Detector, build_network
from moonjelly.vision.postprocessing import BrokenOutput
from moonjelly.vision.preprocessing import decode_frame, encode_frame
from moonjelly.vision.scenes import Scene
from moonjelly.vision.weight_files import read_state, write_state
from moonjelly.zoos import OpenedZoo, WeightsError, open_zoo

ZOO = open_zoo("traffic")


def assert_same(found: Detections, expected: Detections) -> None:
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)


def test_answers_are_those_of_each_picture_alone_in_their_order_however_batches_overlap() -> None:
    variant = ZOO.zoo.variants[4]
    side_px = variant.side_px
    images = [Scene(seed, "val").frame(40).image for seed in range(4)]
    pictures = [decode_frame(encode_frame(image, side_px), side_px) for image in images]
    detect = PictureRunner(ZOO, variant.name)
    alone = [detect(picture) for picture in pictures]
    assert any(len(one) for one in alone)
    executor = LocalExecutor(SessionOpener(ZOO), Fit.STRETCH)
    executor.load(variant.name, 2)
    inputs = [executor.prepare(picture) for picture in reversed(pictures)][::-1]
    first = executor.start(variant.name, inputs[:3])
    second = executor.start(variant.name, [inputs[3], inputs[0]])
    for found, expected in zip(executor.finish(first), alone[:3], strict=True):
        assert_same(found, expected)
    for found, expected in zip(executor.finish(second), [alone[3], alone[0]], strict=True):
        assert_same(found, expected)


def test_variants_of_a_network_share_its_weights() -> None:
    small, large = (
        torch_session(ZOO, ZOO.network_variant(f"traffic-n-{side}")) for side in (128, 320)
    )
    assert small._network is large._network


def test_pictures_are_written_exactly_as_the_network_divides_them() -> None:
    session = torch_session(ZOO, ZOO.network_variant("traffic-n-128"))
    (place,) = session.places(1)
    for value in range(256):
        session.write(np.full((128, 128, 3), value, np.uint8), place)
        exact = torch.full((1,), value, dtype=torch.uint8).float().div_(255).item()
        assert place.flat[0] == place.flat[-1] == exact


def test_a_network_gone_mad_raises_one_error() -> None:
    class Mad(AnsweringNetwork):
        condenser = Detector.condenser

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            nothing = torch.full((len(images), 336, 4), torch.nan)
            return nothing, nothing

    session = TorchSession(Mad(), 128)
    with pytest.raises(BrokenOutput):
        session.answers(session.infer(session.places(1)))


def test_weights_of_another_network_are_refused() -> None:
    narrow, wide = ZOO.zoo.networks
    swapped = replace(narrow, file=wide.file, sha256=wide.sha256)
    zoo = OpenedZoo(ZOO.folder, replace(ZOO.zoo, networks=(swapped, wide)))
    with pytest.raises(WeightsError, match="does not fit network traffic-n"):
        load_network(zoo, swapped)
    with pytest.raises(
        WeightsError, match=r"network mine: torch runs traffic-n, traffic-s and those with"
    ):
        load_network(zoo, replace(narrow, name="mine"))


def test_weights_come_back_as_they_were_to_half_precision() -> None:
    torch.manual_seed(1)
    network = build_network("traffic-n", 4)
    loaded = read_state(write_state(network.state_dict()))
    for name, tensor in network.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-6)
