from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from moonjelly.scheduling.suspicion import COME_BACK_MS, FORGET_MS, AtWork, Suspicion


class Fleet:
    """Devices that streams send frames to; some frames crash them, and somebody kills them now and then."""

    def __init__(self, num_devices: int, poison: dict[str, float], random: Random) -> None:
        self.suspicion = Suspicion()
        self.num_devices = num_devices
        self.poison = poison
        self.random = random
        self.now_ms = 0.0
        self.num_crashes = 0
        self.condemned: set[str] = set()
        self.answered: dict[str, int] = {}

    def play(self, streams: list[str], *, is_killed: bool) -> None:
        """One frame of each stream, run in batches on one device; frames of suspects alone."""
        self.now_ms += 66.0
        batch = []
        for stream_id in streams:
            if stream_id in self.condemned:
                assert not self.suspicion.may_start(stream_id, self.now_ms)
            elif self.suspicion.is_suspect(stream_id):
                self.run_alone(stream_id, is_killed=is_killed)
            else:
                batch.append(stream_id)
        self.run(batch, was_alone=False, is_killed=is_killed)

    def run_alone(self, stream_id: str, *, is_killed: bool) -> None:
        assert self.suspicion.may_start(stream_id, self.now_ms)
        self.suspicion.started(stream_id)
        assert not self.suspicion.may_start(stream_id, self.now_ms)
        self.run([stream_id], was_alone=True, is_killed=is_killed and self.random.random() < 0.5)

    def run(self, batch: list[str], *, was_alone: bool, is_killed: bool) -> None:
        is_crash = any(self.random.random() < self.poison.get(one, 0.0) for one in batch)
        if not (is_crash or is_killed) or not batch:
            for stream_id in batch:
                self.answered[stream_id] = self.answered.get(stream_id, 0) + 1
                if was_alone:
                    self.suspicion.ended(stream_id, ran_well=True)
            return
        self.num_crashes += is_crash
        at_work = [AtWork(stream_id, was_alone) for stream_id in batch]
        self.suspicion.lost("gpu0", at_work, self.now_ms)
        _, condemned = self.suspicion.died("gpu0", is_crash=is_crash)
        self.condemned.update(condemned)
        if not was_alone:  # others take over at once; whoever was alone is not tried again
            for stream_id in batch:
                if self.suspicion.may_start(stream_id, self.now_ms) and self.random.random() < 0.5:
                    self.run_alone(stream_id, is_killed=False)


STREAMS = [f"cam{number}" for number in range(6)]


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), poison=st.integers(1, 2))
def test_a_stream_all_of_whose_frames_crash_costs_two_deaths(seed, poison):
    guilty = STREAMS[:poison]
    fleet = Fleet(2, dict.fromkeys(guilty, 1.0), Random(seed))
    for _ in range(60):
        fleet.play(STREAMS, is_killed=False)
    assert fleet.condemned == set(guilty)
    assert fleet.num_crashes <= 2 * poison
    assert all(fleet.answered[one] >= 50 for one in STREAMS[poison:])


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), ratio=st.sampled_from([0.05, 0.1, 0.3]))
def test_a_stream_some_of_whose_frames_crash_is_found_before_a_device_is_given_up(seed, ratio):
    fleet = Fleet(1, {STREAMS[0]: ratio}, Random(seed))
    for _ in range(800):
        fleet.play(STREAMS, is_killed=False)
    assert fleet.condemned == {STREAMS[0]}
    assert fleet.num_crashes <= 5
    assert not fleet.suspicion.is_suspect(STREAMS[1])


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), kills=st.lists(st.booleans(), min_size=50, max_size=200))
def test_whoever_kills_devices_condemns_nobody_whose_frames_run(seed, kills):
    fleet = Fleet(2, {}, Random(seed))
    was_killed = False
    for is_killed in kills:
        fleet.play(STREAMS, is_killed=is_killed and not was_killed)
        was_killed = is_killed
    assert not fleet.condemned


def test_what_hangs_is_tried_alone_and_once_at_a_time():
    suspicion = Suspicion()
    suspicion.lost("gpu0", [AtWork("cam", was_alone=False)], 0.0)
    assert suspicion.is_suspect("cam")
    suspicion.started("cam")
    suspicion.lost("gpu0", [AtWork("cam", was_alone=True)], 500.0)
    assert not suspicion.may_start("cam", 500.0)
    assert suspicion.died("gpu0", is_crash=False) == (["cam"], [])
    assert suspicion.may_start("cam", 500.0)


def test_suspicion_is_forgotten_after_a_minute():
    suspicion = Suspicion()
    suspicion.lost("gpu0", [AtWork("cam", was_alone=False)], 0.0)
    suspicion.lost("gpu0", [AtWork("other", was_alone=False)], FORGET_MS + 1)
    assert not suspicion.is_suspect("cam")
    assert suspicion.is_suspect("other")


def test_of_streams_that_nobody_suspects_nothing_is_known():
    suspicion = Suspicion()
    suspicion.ended("cam", ran_well=True)
    assert suspicion.may_start("cam", 500.0)
    assert not suspicion.is_suspect("cam")
    assert not suspicion.is_condemned("cam")
    assert suspicion.died("gpu0", is_crash=True) == ([], [])


def test_a_suspect_that_never_ran_is_not_tried_on_the_last_device_for_a_while():
    suspicion = Suspicion()
    suspicion.lost("gpu0", [AtWork("cam", was_alone=False)], 0.0)
    for has_run, is_last_device, now_ms in [
        (True, True, 0.0),
        (False, False, 0.0),
        (False, True, COME_BACK_MS),
    ]:
        assert suspicion.may_start("cam", now_ms, has_run=has_run, is_last_device=is_last_device)
    assert not suspicion.may_start("cam", 0.0, has_run=False, is_last_device=True)
    assert suspicion.may_start("other", 0.0, has_run=False, is_last_device=True)
