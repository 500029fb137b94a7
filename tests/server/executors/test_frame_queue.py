from __future__ import annotations

import math

import numpy as np
import pytest

from moonjelly.protos.internal_pb2 import FrameDescriptor
from moonjelly.server.executors.frame_queue import FrameQueue

HERE, THERE = object(), object()


def make(*deadlines_ms: float, needs_pictures: bool = True) -> FrameQueue:
    queue = FrameQueue(needs_pictures=needs_pictures)
    for ticket, deadline_ms in enumerate(deadlines_ms):
        queue.add(HERE, FrameDescriptor(ticket=ticket, deadline_ms=deadline_ms), now_ms=ticket)
    return queue


def decode_all(queue: FrameQueue, look_ahead: int, hopeless_ms: float = -math.inf) -> list[int]:
    """Decodes what is due, one frame after the other; returns the tickets in that order."""
    tickets: list[int] = []
    while (frame := queue.next_to_decode(look_ahead, hopeless_ms)) is not None:
        queue.set_decoded(frame, np.zeros((64, 64, 3), np.uint8), 1.0)
        tickets.append(frame.descriptor.ticket)
    return tickets


def test_the_batcher_sees_frames_in_order_of_arrival():
    queue = make(30, 10, 20)
    assert [(frame.arrived_ms, frame.deadline_ms) for frame in queue.view()] == [
        (0, 30),
        (1, 10),
        (2, 20),
    ]


def test_taken_frames_come_in_the_order_asked_for_and_are_gone():
    queue = make(1, 2, 3, needs_pictures=False)
    keys = [frame.key for frame in queue.view()]
    taken = queue.take([keys[2], keys[0]])
    assert [frame.descriptor.ticket for frame in taken] == [2, 0]
    assert len(queue) == 1
    with pytest.raises(KeyError):
        queue.take([keys[0]])


def test_frames_that_need_no_picture_are_ready_at_once():
    assert all(frame.is_ready for frame in make(1, 2, needs_pictures=False).view())
    assert not any(frame.is_ready for frame in make(1, 2).view())


def test_decoding_goes_by_deadline_and_only_so_far_ahead():
    queue = make(50, 10, 40, 20, 30)
    assert decode_all(queue, look_ahead=3) == [1, 3, 4]
    assert [frame.is_ready for frame in queue.view()] == [False, True, False, True, True]


def test_a_frame_that_is_being_decoded_is_not_chosen_again_and_counts():
    queue = make(10, 20)
    first = queue.next_to_decode(1, -math.inf)
    first.is_decoding = True
    assert queue.next_to_decode(1, -math.inf) is None
    assert queue.next_to_decode(2, -math.inf).descriptor.ticket == 1


def test_a_more_urgent_frame_is_decoded_although_others_are_ahead():
    queue = make(50, 60)
    assert decode_all(queue, look_ahead=2) == [0, 1]
    queue.add(HERE, FrameDescriptor(ticket=2, deadline_ms=10), now_ms=9)
    queue.add(HERE, FrameDescriptor(ticket=3, deadline_ms=90), now_ms=9)
    assert decode_all(queue, look_ahead=2) == [2]


def test_frames_that_cannot_make_it_are_not_decoded():
    assert decode_all(make(50, 10, 40, 20), look_ahead=9, hopeless_ms=30) == [2, 0]


def test_another_variant_has_frames_of_another_side_decoded_again():
    queue = make(10, 20)
    decode_all(queue, look_ahead=1)
    queue.require_side(64)
    assert [frame.is_ready for frame in queue.view()] == [True, False]
    queue.require_side(96)
    assert [frame.is_ready for frame in queue.view()] == [False, False]


def test_cancelled_frames_are_forgotten_whatever_else_is_named():
    queue = make(1, 2, 3)
    queue.add(THERE, FrameDescriptor(ticket=1, deadline_ms=5), now_ms=3)
    queue.cancel(HERE, [1, 77])
    queue.cancel(HERE, [1])
    assert [frame.deadline_ms for frame in queue.view()] == [1, 3, 5]


def test_a_connection_that_is_gone_takes_its_frames_alone():
    queue = make(1, 2, 3)
    queue.add(THERE, FrameDescriptor(ticket=1, deadline_ms=5), now_ms=3)
    held = queue.next_to_decode(9, -math.inf)
    queue.cancel_all(HERE)
    assert [frame.deadline_ms for frame in queue.view()] == [5]
    assert not queue.holds(held)
