"""What biases estimates, case by case."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from moonjelly.adapting.estimators import SentFrame, make_estimator
from moonjelly.links.traces import LinkTrace, constant_trace
from moonjelly.simulation.links import SimulatedLink

PERIOD_MS = 1000 / 15
WIRE_MS = 5.0
SIDE_PX = 320


@dataclass
class Sender:
    """Sends frames over a link in which nothing overtakes, and tells an estimator of the acks."""

    estimator: object
    link: SimulatedLink
    now_ms: float = 0.0
    sequence: int = 0
    acks: list = field(default_factory=list)

    def send(self, kbits, delay_ms=0.0, at_ms=None):
        """Sends one frame, a period after the one before; its ack comes later by the delay."""
        self.now_ms = self.now_ms + PERIOD_MS if at_ms is None else at_ms
        frame = SentFrame(self.sequence, SIDE_PX, kbits, self.now_ms)
        self.sequence += 1
        acked_ms = self.link.arrival_ms(kbits, self.now_ms) + WIRE_MS + delay_ms
        self.estimator.observe(frame, acked_ms - frame.sent_ms, acked_ms)
        return frame

    def send_many(self, number, kbits, delay_ms=lambda: 0.0):
        for _ in range(number):
            self.send(kbits, delay_ms())

    @property
    def estimate_kbps(self):
        return self.estimator.bandwidth_kbps(self.now_ms)


def sender(mbps=10.0, name="change_point", trace=None):
    link = SimulatedLink(constant_trace(mbps) if trace is None else trace, WIRE_MS)
    return Sender(make_estimator(5000.0, WIRE_MS, name), link)


def lomax(generator, scale_ms):
    """A delay as they are met on a busy machine: mostly short, sometimes very long."""
    return scale_ms * (generator.random() ** -0.5 - 1)


def noisy(seed=1, scale_ms=2.0):
    generator = random.Random(seed)
    return lambda: lomax(generator, scale_ms)


def test_frames_of_any_size_tell_the_rate_of_a_quiet_link():
    camera = sender(10.0)
    for kbits in (300.0, 100.0, 500.0, 200.0, 300.0) * 4:
        camera.send(kbits)
    assert camera.estimate_kbps == pytest.approx(10_000, rel=0.01)


def test_rates_that_differ_by_rounding_alone_are_the_same_rate():
    camera = sender(7.3)
    for number in range(300):
        camera.send(300.0 + 10 * (number % 7))
        assert len(camera.estimator._stretches) == 1


def test_delays_of_a_busy_machine_hardly_matter():
    ours, published = sender(), sender(name="error_based")
    errors = {camera.estimator: [] for camera in (ours, published)}
    delay_ms = noisy()
    for _ in range(300):
        late_ms = delay_ms()
        for camera in (ours, published):
            camera.send(300.0, late_ms)
            errors[camera.estimator].append(abs(camera.estimate_kbps / 10_000 - 1))
    median = {one: sorted(found)[len(found) // 2] for one, found in errors.items()}
    assert median[ours.estimator] < 0.02
    assert median[ours.estimator] < 0.5 * median[published.estimator]


def test_one_late_ack_is_a_delay_and_two_are_a_fall():
    camera = sender(10.0)
    camera.send_many(30, 300.0, noisy())
    before_kbps = camera.estimate_kbps
    camera.send(300.0, delay_ms=15.0)
    assert camera.estimate_kbps == pytest.approx(before_kbps, rel=0.05)
    camera.send(300.0, delay_ms=15.0)
    assert camera.estimate_kbps == pytest.approx(300_000 / 45, rel=0.1)


def test_a_deep_fall_is_seen_with_its_first_frame():
    camera = sender(trace=LinkTrace((20.0, 5.0), period_s=4.0))
    camera.send_many(59, 200.0, noisy())
    assert camera.estimate_kbps == pytest.approx(20_000, rel=0.1)
    camera.send(200.0, at_ms=4010.0)
    assert camera.estimate_kbps == pytest.approx(5_000, rel=0.2)


def test_a_rise_is_seen_with_its_first_frame():
    camera = sender(trace=LinkTrace((5.0, 20.0), period_s=4.0))
    camera.send_many(59, 200.0, noisy())
    assert camera.estimate_kbps == pytest.approx(5_000, rel=0.1)
    camera.send(200.0, at_ms=4010.0)
    assert camera.estimate_kbps == pytest.approx(20_000, rel=0.1)


def test_after_a_pause_a_change_is_less_surprising():
    kept, paused = sender(), sender()
    for camera in (kept, paused):
        camera.send_many(30, 300.0, noisy())
    kept.send(300.0, delay_ms=7.0)
    paused.send(300.0, delay_ms=7.0, at_ms=paused.now_ms + 20_000)
    assert kept.estimate_kbps == pytest.approx(10_000, rel=0.03)
    assert paused.estimate_kbps < 0.9 * kept.estimate_kbps


def test_frames_that_wait_for_others_do_not_look_slow():
    ours, published = sender(), sender(name="error_based")
    for camera in (ours, published):
        camera.send_many(20, 300.0)
        start_ms = camera.now_ms + 200
        for k in range(5):  # 30 ms each, 1 ms apart
            camera.send(300.0, at_ms=start_ms + k)
    assert ours.estimate_kbps == pytest.approx(10_000, rel=0.03)
    assert published.estimate_kbps < 4_000


def test_frames_that_a_late_server_reads_together_do_not_look_fast():
    camera = sender(10.0)
    camera.send_many(20, 300.0)
    start_ms = (
        camera.now_ms + 200
    )  # three frames in a row; the server reads all when the last is there
    for k in range(3):
        camera.send(300.0, delay_ms=30.0 * (2 - k), at_ms=start_ms + k)
    assert camera.estimate_kbps == pytest.approx(10_000, rel=0.05)


def test_a_retransmission_and_what_waits_behind_it_are_a_delay():
    camera = sender(10.0)
    camera.send_many(30, 300.0, noisy())
    camera.send(300.0, delay_ms=15.0)
    camera.send(300.0, delay_ms=0.0)
    assert camera.estimate_kbps == pytest.approx(10_000, rel=0.05)


def test_small_frames_on_a_fast_link_leave_what_large_ones_told():
    camera = sender(80.0)
    camera.send_many(20, 800.0)
    assert camera.estimate_kbps == pytest.approx(80_000, rel=0.02)
    camera.send_many(20, 5.0)
    assert camera.estimate_kbps == pytest.approx(80_000, rel=0.05)


def test_a_frame_under_way_bounds_the_rate_the_lower_the_longer_it_takes():
    camera = sender(10.0)
    camera.send_many(30, 300.0)
    sent_ms = camera.now_ms + PERIOD_MS
    frame = SentFrame(camera.sequence, SIDE_PX, 300.0, sent_ms)
    estimates = [
        camera.estimator.bandwidth_kbps(sent_ms + after_ms, frame)
        for after_ms in (0, 10, 30, 100, 300, 1000, 5000)
    ]
    assert estimates[:3] == [pytest.approx(10_000, rel=0.02)] * 3
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[3] == pytest.approx(300_000 / 90, rel=0.02)
    assert estimates[-1] < 65
    assert camera.estimate_kbps == pytest.approx(10_000, rel=0.02), "only while it is under way"


def test_an_outage_is_no_slow_rate():
    camera = sender(trace=LinkTrace((10.0, 10.0, 0.0, 0.0, 0.0, 10.0, 10.0, 10.0), period_s=1.0))
    camera.send_many(29, 300.0)
    for at_ms in (1990.0, 2060.0):  # under way for three seconds
        camera.send(300.0, at_ms=at_ms)
        assert camera.estimate_kbps == pytest.approx(10_000, rel=0.1)


def test_a_rate_near_zero_is_seen_with_two_frames():
    camera = sender(trace=LinkTrace((10.0, 10.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2), period_s=1.0))
    camera.send_many(29, 300.0)
    camera.send(300.0, at_ms=2010.0)
    camera.send(300.0, at_ms=4000.0)
    assert camera.estimate_kbps == pytest.approx(200, rel=0.1)
