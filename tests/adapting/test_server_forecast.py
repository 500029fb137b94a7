from __future__ import annotations

import math

import pytest

from moonjelly.adapting.server_forecast import RECENT_WAITS, ServerForecast, ServerTimes

IN_DOUBT_MS = [13.0, 15.0, 17.0, 19.0, 21.0]  # busy for 12 ms; 0.1 to 0.9 batches of 10 ms


def test_a_frame_waits_for_part_of_a_batch_and_no_longer_than_the_longest_of_many_did():
    server = ServerForecast()
    for _ in range(RECENT_WAITS - 1):
        server.answered(ServerTimes(12.0, 10.0, 4.0))
    assert server.taken_ms == pytest.approx(IN_DOUBT_MS), "too few to tell"
    server.answered(ServerTimes(12.0, 10.0, 4.0))
    assert server.taken_ms == pytest.approx([13.0, 15.0, 16.0, 16.0, 16.0])
    server.answered(ServerTimes(12.0, 10.0, 8.0))
    assert server.taken_ms == pytest.approx([13.0, 15.0, 17.0, 19.0, 20.0])


def test_after_one_that_waited_in_vain_nobody_knows_for_how_long_frames_do():
    server = ServerForecast()
    for _ in range(RECENT_WAITS):
        server.answered(ServerTimes(12.0, 10.0, 0.0))
    assert server.taken_ms == pytest.approx([12.0] * 5)
    server.gave_up()
    server.answered(ServerTimes(12.0, 10.0, 0.0))
    assert all(now > before for now, before in zip(server.taken_ms, IN_DOUBT_MS, strict=True))


def test_a_server_that_does_not_say_how_long_frames_wait_is_not_taken_to_be_idle():
    server = ServerForecast()
    for _ in range(2 * RECENT_WAITS):
        server.answered(ServerTimes(12.0, 10.0))
    assert server.taken_ms == pytest.approx(IN_DOUBT_MS)
    assert not ServerTimes(12.0, 10.0, math.nan).are_sound


def test_frames_that_are_given_up_one_after_the_other_make_it_expect_more_each_time() -> None:
    forecast = ServerForecast()
    for _ in range(200):
        forecast.answered(ServerTimes(2.0, 20.0, 1.0))
    expected = [forecast.taken_ms[-1]]
    for _ in range(6):
        forecast.gave_up()
        expected.append(forecast.taken_ms[-1])
    assert expected[0] == pytest.approx(3.0)
    assert expected == sorted(expected)
    assert expected[-1] == pytest.approx(2 + 0.9 * 3 * 20, rel=0.01)
