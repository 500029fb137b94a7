from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from moonjelly.training.augmentation import MAX_CANVAS_PX, draw_batch
from moonjelly.training.pool import POOL_SIDE_PX, Pool, draw_pool, load_pool
from moonjelly.training.training import TrainingOptions, train
from moonjelly.vision.detector import Detector


@pytest.fixture(scope="module")
def pool_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    draw_pool(folder, "train", num_scenes=1, frames_each=3, num_workers=1)
    return folder


@pytest.fixture
def pool(pool_folder: Path) -> Pool:
    return load_pool(pool_folder)


def test_a_pool_holds_the_frames_and_their_truth(pool: Pool) -> None:
    assert pool.images.shape == (3, POOL_SIDE_PX, POOL_SIDE_PX, 3)
    assert len(pool.boxes) == len(pool.class_ids) == len(pool.is_ignored) == 3
    for boxes in pool.boxes:
        assert ((boxes >= 0) & (boxes <= 1)).all()
    assert pool.images.std() > 5


def test_a_folder_without_a_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_pool(tmp_path)


def test_a_pool_without_scenes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_scenes"):
        draw_pool(tmp_path, "train", num_scenes=0, frames_each=1)


@pytest.mark.parametrize("side", [128, 352, 608])
def test_a_batch_has_boxes_on_its_canvas(pool: Pool, side: int) -> None:
    batch = draw_batch(pool, np.random.default_rng(1), (side,), (1.0,))
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= batch.images.min() < batch.images.max() <= 1
    assert batch.canvas_px == side or (side > MAX_CANVAS_PX and batch.canvas_px <= MAX_CANVAS_PX)
    used = batch.boxes[batch.kinds > 0]
    assert len(used) > 0
    assert (used >= 0).all()
    assert (used <= batch.canvas_px).all()
    assert (used[:, 2:] >= used[:, :2]).all()


def test_a_batch_is_the_same_for_the_same_seed(pool: Pool) -> None:
    a, b = (draw_batch(pool, np.random.default_rng(5), (160, 192), (1.0, 1.0)) for _ in range(2))
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.boxes, b.boxes)


def test_the_boxes_of_a_batch_lie_on_the_objects(tmp_path: Path) -> None:
    """One bright object on black: wherever it is moved, its box goes along."""
    images = np.zeros((1, POOL_SIDE_PX, POOL_SIDE_PX, 3), np.uint8)
    images[0, 200:320, 240:400] = 255
    box = np.array([[240, 200, 400, 320]], np.float32) / POOL_SIDE_PX
    pool = Pool(images, (box,), (np.zeros(1, np.int64),), (np.zeros(1, np.bool_),))
    batch = draw_batch(pool, np.random.default_rng(3), (256,), (1.0,))
    for image, boxes, kinds in zip(batch.images, batch.boxes, batch.kinds, strict=True):
        bright = (image.amax(dim=0) > 0.45).nonzero()
        if kinds[0] == 1 and len(bright):
            low, high = bright.amin(dim=0), bright.amax(dim=0) + 1
            seen = torch.stack((low[1], low[0], high[1], high[0])).float()
            torch.testing.assert_close(boxes[0], seen, rtol=0, atol=1.6)


@pytest.mark.slow
def test_training_leaves_weights_and_a_log_and_repeats_itself(
    pool_folder: Path, tmp_path: Path
) -> None:
    options = TrainingOptions("traffic-n", seed=3, num_steps=2, warmup_steps=1)
    num_threads = torch.get_num_threads()
    try:
        first = train(options, pool_folder, tmp_path / "a")
        second = train(options, pool_folder, tmp_path / "b")
    finally:
        torch.set_num_threads(num_threads)
    assert isinstance(first, Detector)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)
    lines = (tmp_path / "a" / "traffic-n.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("step,learning_rate")
    assert lines[1].startswith("2,")
    assert (tmp_path / "a" / "traffic-n.safetensors").stat().st_size > 1e6


def test_the_learning_rate_rises_and_falls() -> None:
    options = TrainingOptions("traffic-n", num_steps=100, warmup_steps=10)
    rates = [options.rate_at(step) for step in range(100)]
    assert max(rates) == pytest.approx(options.peak_rate)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[-1] < options.peak_rate / 40


@pytest.mark.parametrize(("field", "value"), [("network", "huge"), ("num_steps", 0)])
def test_training_options_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field}( is|=)"):
        TrainingOptions(**{"network": "traffic-n", field: value})
