from __future__ import annotations

from moonjelly.live_run.scenes import RememberedScene


def test_a_remembered_scene_knows_the_truth_of_what_it_drew_and_of_what_it_did_not() -> None:
    source = RememberedScene(5, 10.0)
    image = source.read(30)
    assert image is not None
    assert (image == source.scene.frame(30).image).all()
    assert set(source.truth) == {30}
    drawn = source.truth_at(30)
    assert len(drawn.class_ids) == len(source.scene.frame(30).objects)
    assert ((drawn.boxes >= 0) & (drawn.boxes <= 1)).all()
    source.truth_at(31)
    assert set(source.truth) == {30, 31}
