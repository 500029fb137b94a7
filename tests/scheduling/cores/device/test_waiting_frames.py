from __future__ import annotations

import math

import pytest

from moonjelly.scheduling.cores.device.waiting_frames import WaitingFrames


def make(*deadlines_ms: float, needs_decoding: bool = True) -> WaitingFrames:
    frames = WaitingFrames(needs_decoding=needs_decoding)
    for key, deadline_ms in enumerate(deadlines_ms):
        frames.add(key, deadline_ms, key, is_alone=False)
    return frames


def decode_all(frames: WaitingFrames, look_ahead: int, hopeless_ms: float = -math.inf) -> list[int]:
    """Decodes what is due, one frame after the other; returns them in that order."""
    keys: list[int] = []
    while (key := frames.decode(0, look_ahead, hopeless_ms)) is not None:
        assert frames.decoded(0, 64)
        keys.append(key)
    return keys


def test_the_batcher_sees_frames_in_order_of_arrival():
    assert [(frame.arrived_ms, frame.deadline_ms) for frame in make(30, 10, 20).view()] == [
        (0, 30),
        (1, 10),
        (2, 20),
    ]


def test_taken_frames_come_in_the_order_asked_for_and_are_gone():
    frames = make(1, 2, 3, needs_decoding=False)
    assert [frame.key for frame in frames.take([2, 0])] == [2, 0]
    assert len(frames) == 1
    with pytest.raises(KeyError):
        frames.take([0])


def test_frames_that_need_no_decoding_are_ready_at_once():
    assert all(frame.is_ready for frame in make(1, 2, needs_decoding=False).view())
    assert not any(frame.is_ready for frame in make(1, 2).view())


def test_decoding_goes_by_deadline_and_only_so_far_ahead():
    frames = make(50, 10, 40, 20, 30)
    assert decode_all(frames, look_ahead=3) == [1, 3, 4]
    assert [frame.is_ready for frame in frames.view()] == [False, True, False, True, True]


def test_a_frame_that_is_being_decoded_is_not_chosen_again_and_counts():
    frames = make(10, 20)
    assert frames.decode(0, 1, -math.inf) == 0
    assert frames.decode(1, 1, -math.inf) is None
    assert frames.decode(1, 2, -math.inf) == 1
    assert frames.decoding == {0: 0, 1: 1}


def test_a_more_urgent_frame_is_decoded_although_others_are_ahead():
    frames = make(50, 60)
    assert decode_all(frames, look_ahead=2) == [0, 1]
    frames.add(2, 10, 9, is_alone=False)
    frames.add(3, 90, 9, is_alone=False)
    assert decode_all(frames, look_ahead=2) == [2]


def test_frames_that_cannot_make_it_are_not_decoded():
    assert decode_all(make(50, 10, 40, 20), look_ahead=9, hopeless_ms=30) == [2, 0]


def test_another_variant_has_frames_of_another_side_decoded_again():
    frames = make(10, 20)
    decode_all(frames, look_ahead=1)
    frames.require_side(64)
    assert [frame.is_ready for frame in frames.view()] == [True, False]
    frames.require_side(96)
    assert [frame.is_ready for frame in frames.view()] == [False, False]


def test_a_frame_that_was_removed_is_forgotten_also_by_its_decoder():
    frames = make(1, 2)
    assert frames.decode(5, 1, -math.inf) == 0
    assert frames.remove(0).key == 0
    assert frames.remove(0) is None
    assert not frames.decoded(5, 64)
    assert [frame.key for frame in frames.view()] == [1]


def test_a_frame_without_a_picture_waits_no_longer():
    frames = make(1, 2)
    assert frames.decode(0, 1, -math.inf) == 0
    assert frames.decoded(0, 0)
    assert [frame.key for frame in frames.view()] == [1]


def test_frames_that_are_to_be_alone_are_in_no_batch():
    frames = make(10)
    frames.add(7, 5, 1, is_alone=True)
    assert (len(frames), frames.first_alone.key) == (1, 7)
    assert frames.decode(0, 9, -math.inf) == 0
    assert frames.remove(7).key == 7
    assert frames.first_alone is None


def test_tenants_take_turns_where_frames_are_decoded_by_tenant():
    frames = WaitingFrames(needs_decoding=True, is_by_tenant=True)
    for key, tenant in enumerate("aaaab"):
        frames.add(key, 10.0 * key, 0.0, is_alone=False, tenant=tenant)
    assert decode_all(frames, look_ahead=2) == [0, 4, 1]
    assert [frame.tenant for frame in frames.view()] == list("aaaab")
