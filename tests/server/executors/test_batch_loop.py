"""The batch loop with an executor that is under the test's control."""

from __future__ import annotations

import os
import queue
import select
import threading
import time

import cv2
import numpy as np
import pytest

from moonjelly.core.answers import Detections
from moonjelly.core.clock import MonotonicClock
from moonjelly.core.profile import BatchLatency
from moonjelly.core.verdict import Reason
from moonjelly.core.zoo import Fit
from moonjelly.devices.executors.port import DeviceLostError
from moonjelly.protos.internal_pb2 import FrameDescriptor, FrameResult, FrameResults
from moonjelly.scheduling.batching.port import BatchDecision
from moonjelly.scheduling.cores.device.core import DeviceCore
from moonjelly.scheduling.cores.device.instructions import DeviceOrders
from moonjelly.server.executors import answers, decoding, endpoint_link
from moonjelly.server.executors.decoding import DecoderPool
from moonjelly.server.executors.endpoint_link import EndpointLink
from moonjelly.server.executors.loop import BatchLoop
from moonjelly.server.executors.workload import WaitingFrame, Workload
from moonjelly.server.wire.channel import Channel, socket_pair
from moonjelly.server.wire.frame_memory import FrameReader, FrameWriter, create_frame_memory

LATENCY = BatchLatency(
    (9_000.0,) * 4, (9_000.0,) * 4
)  # no machine is so slow that it looks far off
LATENCIES = {"small": LATENCY, "large": LATENCY}
SIDES_PX = {"small": 64, "large": 128}
LIMIT_S = 30


class Greedy:
    """Runs what is ready, up to the batch size; gives up what is too late."""

    def decide(self, queue, device, now_ms):
        late = [frame.key for frame in queue if frame.deadline_ms < now_ms]
        ready = [frame.key for frame in queue if frame.is_ready and frame.key not in late]
        return BatchDecision(
            run=tuple(ready[: device.batch_size]),
            drop=tuple((key, Reason.TOO_LATE) for key in late),
        )

    def ran(self, batch, took_ms):
        pass


class Patient:
    """Runs what is ready one by one; gives nothing up, and waits for whatever is not ready."""

    def __init__(self) -> None:
        self.devices = []

    def decide(self, queue, device, now_ms):
        self.devices.append(device)
        return BatchDecision(run=tuple(frame.key for frame in queue if frame.is_ready)[:1])

    def ran(self, batch, took_ms):
        pass


class Puppet:
    """An executor that waits for a permit in each batch, and fails when told to."""

    depth = 1
    fit = Fit.STRETCH

    def __init__(self, *, needs_pictures: bool = False) -> None:
        self.needs_pictures = needs_pictures
        self.permits = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.batches: list[tuple[str, int]] = []
        self.sides: list[int] = []
        self.failure: BaseException | None = None

    def prepare(self, fitted):
        return fitted.picture

    def start(self, variant, inputs):
        self.batches.append((variant, len(inputs)))
        self.sides.extend(0 if one is None else one.shape[0] for one in inputs)
        self.started.release()
        return len(inputs)

    def finish(self, running):
        assert self.permits.acquire(timeout=LIMIT_S)
        if self.failure is not None:
            raise self.failure
        one = Detections(
            np.array([[0.25, 0.5, 0.75, 1]], np.float32),
            np.array([0.5], np.float32),
            np.array([3], np.int32),
        )
        return [one] * running


class Bench:
    """A batch loop in a thread, with one endpoint."""

    def __init__(
        self, executor: Puppet, num_decoders: int = 0, batcher=None, latencies=LATENCIES
    ) -> None:
        self.executor = executor
        self.core = DeviceCore(
            latencies,
            batcher or Greedy(),
            sides_px=SIDES_PX if executor.needs_pictures else None,
            depth=executor.depth,
        )
        self.work = Workload(self.core)
        self.records: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.statuses: list[object] = []
        self.loop = BatchLoop(
            "device0",
            self.work,
            executor,
            SIDES_PX,
            MonotonicClock(),
            on_batch=self.records.put,
            on_status=lambda: self.statuses.append(self.loop.status()),
        )
        self.memory = create_frame_memory(8, 1 << 16)
        self.writer = FrameWriter(self.memory)
        ours, theirs = socket_pair()
        self.endpoint = Channel(ours)
        self.link = EndpointLink("endpoint-0", Channel(theirs), FrameReader(self.memory))
        self.load("small")
        self.thread = threading.Thread(target=self.loop.run)
        self.decoders = None
        if num_decoders:
            self.decoders = DecoderPool(self.work, executor, num_decoders)

    def plan(self, variant: str, batch_size: int, epoch: int = 1) -> None:
        with self.work.changed:
            self.core.order(DeviceOrders(variant, batch_size, 0.0, epoch))

    def load(self, variant: str) -> None:
        with self.work.changed:
            self.core.loaded(variant)
            self.work.changed.notify()

    def add(
        self,
        ticket: int,
        deadline_in_ms: float = 60_000,
        jpeg: bytes = b"x",
        *,
        is_alone: bool = False,
    ) -> None:
        slot, generation = self.writer.allocate(jpeg)
        now_ms = MonotonicClock().now_ms()
        sent = FrameDescriptor(
            ticket=ticket,
            slot=slot,
            slot_generation=generation,
            jpeg_bytes=len(jpeg),
            deadline_ms=now_ms + deadline_in_ms,
            handed_ms=now_ms,
            is_alone=is_alone,
        )
        self.work.add(self.link, [sent], now_ms)

    def await_results(self):
        """The next results; without signs of life, which carry none."""
        poll = select.poll()
        poll.register(self.endpoint.fileno(), select.POLLIN)
        while True:
            assert poll.poll(1000 * LIMIT_S)
            results = self.endpoint.receive()[0].results
            if results.frames:
                return results

    def await_start(self) -> None:
        assert self.executor.started.acquire(timeout=LIMIT_S)

    def close(self) -> None:
        self.work.close()
        self.executor.permits.release(1000)
        if self.thread.ident:
            self.thread.join(LIMIT_S)
        if self.decoders:
            self.decoders.join()
        self.link.memory.close()
        self.link.close()
        self.endpoint.close()
        self.writer.close()
        os.close(self.memory)


@pytest.fixture
def bench(request):
    made = Bench(Puppet())
    yield made
    made.close()


@pytest.fixture
def decoding_bench():
    made = Bench(Puppet(needs_pictures=True), num_decoders=2)
    yield made
    made.close()


def jpeg(side_px: int) -> bytes:
    return cv2.imencode(".jpg", np.full((side_px, side_px, 3), 128, np.uint8))[1].tobytes()


def test_a_batch_is_answered_in_one_packet_with_its_detections_and_times(bench):
    bench.plan("small", 4, epoch=9)
    for ticket in (11, 12, 13):
        bench.add(ticket)
    bench.executor.permits.release()
    bench.thread.start()
    results = bench.await_results()
    assert [frame.ticket for frame in results.frames] == [11, 12, 13]
    assert (results.variant, results.batch_size, results.plan_epoch) == ("small", 3, 9)
    assert results.inference_ms > 0
    for frame in results.frames:
        assert list(frame.detections.boxes) == [0.25, 0.5, 0.75, 1]
        assert list(frame.detections.scores) == [0.5]
        assert list(frame.detections.class_ids) == [3]
        assert frame.queue_ms >= 0
        assert not frame.drop_reason


def test_the_batch_size_of_the_plan_is_kept(bench):
    bench.plan("small", 2)
    for ticket in range(5):
        bench.add(ticket)
    bench.executor.permits.release(3)
    bench.thread.start()
    sizes = [bench.await_results().batch_size for _ in range(3)]
    assert sizes == [2, 2, 1]
    records = [bench.records.get(timeout=LIMIT_S) for _ in sizes]
    assert [(one.batch_size, one.queue_length) for one in records] == [(2, 3), (2, 1), (1, 0)]


def test_a_plan_beyond_the_profile_is_cut_to_it(bench):
    bench.plan("small", 1000)
    for ticket in range(6):
        bench.add(ticket)
    bench.executor.permits.release(2)
    bench.thread.start()
    assert bench.await_results().batch_size == 4


def test_frames_that_cannot_make_it_are_dropped_with_reason_and_code(bench):
    bench.add(1, deadline_in_ms=-1)
    bench.thread.start()
    (frame,) = bench.await_results().frames
    assert (frame.ticket, frame.drop_reason, frame.drop_code) == (
        1,
        "too_late",
        "DEADLINE_EXCEEDED",
    )
    assert not frame.HasField("detections")
    assert bench.executor.batches == []


def test_a_failing_detector_costs_its_batch_alone(bench):
    bench.executor.failure = RuntimeError("/secret/path")
    bench.add(1)
    bench.executor.permits.release()
    bench.thread.start()
    (frame,) = bench.await_results().frames
    assert (frame.drop_reason, frame.drop_code) == ("model_output", "INTERNAL")
    assert "secret" not in frame.drop_detail
    bench.executor.failure = None
    bench.add(2)
    bench.executor.permits.release()
    (frame,) = bench.await_results().frames
    assert (frame.ticket, frame.drop_reason) == (2, "")


def test_a_lost_device_ends_the_loop(bench):
    bench.executor.failure = DeviceLostError("gone")
    bench.add(1)
    bench.executor.permits.release()
    with pytest.raises(DeviceLostError):
        bench.loop.run()


def test_a_variant_is_taken_between_two_batches_and_its_plan_with_it(bench):
    bench.plan("small", 1)
    for ticket in range(3):
        bench.add(ticket)
    bench.thread.start()
    bench.await_start()
    bench.plan("large", 2, epoch=2)
    bench.load("large")
    bench.executor.permits.release(2)
    first, second = bench.await_results(), bench.await_results()
    assert (first.variant, first.plan_epoch) == ("small", 1)
    assert (second.variant, second.batch_size, second.plan_epoch) == ("large", 2, 2)


def test_a_plan_waits_for_its_variant(bench):
    bench.plan("large", 3)
    for ticket in range(2):
        bench.add(ticket)
    bench.executor.permits.release(2)
    bench.thread.start()
    assert [bench.await_results().batch_size for _ in range(2)] == [1, 1]


def test_frames_of_a_dead_endpoint_do_not_disturb_the_others(bench):
    bench.add(1)
    bench.thread.start()
    bench.await_start()
    bench.endpoint.close()
    bench.executor.permits.release()
    bench.add(2)
    bench.executor.permits.release()
    bench.await_start()
    assert bench.thread.is_alive()


def test_frames_are_decoded_to_the_side_of_the_variant(decoding_bench):
    decoding_bench.executor.permits.release(2)
    decoding_bench.thread.start()
    for ticket, side_px in ((1, 64), (2, 200)):
        decoding_bench.add(ticket, jpeg=jpeg(side_px))
        (frame,) = decoding_bench.await_results().frames
        assert frame.decode_ms > 0
    assert decoding_bench.executor.sides == [64, 64]


@pytest.mark.parametrize("data", [b"junk", b"", jpeg(64)[:300]])
def test_a_broken_picture_is_a_bad_frame(decoding_bench, data):
    decoding_bench.thread.start()
    decoding_bench.add(5, jpeg=data or b"\0")
    (frame,) = decoding_bench.await_results().frames
    assert (frame.drop_reason, frame.drop_code) == ("bad_frame", "INVALID_ARGUMENT")
    assert frame.drop_detail


def test_a_frame_that_lost_its_slot_is_not_decoded_and_still_answered(decoding_bench):
    decoding_bench.add(1, jpeg=jpeg(64))
    decoding_bench.writer.free(0, 1)
    decoding_bench.writer.free(7, 1)
    decoding_bench.executor.permits.release()
    decoding_bench.thread.start()
    decoding_bench.add(2, jpeg=jpeg(64))
    ended = {
        frame.ticket: frame.drop_reason
        for _ in range(2)
        for frame in decoding_bench.await_results().frames
    }
    assert ended == {1: "too_late", 2: ""}
    assert len(decoding_bench.core.frames) == 0


@pytest.mark.parametrize("failure", [cv2.error("inside"), MemoryError(), RuntimeError("odd")])
def test_whatever_decoding_fails_with_costs_its_frame_alone(decoding_bench, monkeypatch, failure):
    real = decoding.decode_frame

    def decode(data, side_px, fit):
        if len(data) == 1:
            raise failure
        return real(data, side_px, fit)

    monkeypatch.setattr(decoding, "decode_frame", decode)
    decoding_bench.executor.permits.release()
    decoding_bench.thread.start()
    decoding_bench.add(1, jpeg=b"x")
    (frame,) = decoding_bench.await_results().frames
    assert (frame.drop_reason, frame.drop_detail) == ("bad_frame", "jpeg: cannot be decoded")
    decoding_bench.add(2, jpeg=jpeg(64))
    (frame,) = decoding_bench.await_results().frames
    assert (frame.ticket, frame.drop_reason) == (2, "")


def test_a_result_names_the_plan_that_it_ran_under(bench):
    bench.plan("small", 1, epoch=1)
    for ticket in range(3):
        bench.add(ticket)
    bench.thread.start()
    bench.await_start()
    bench.plan("large", 2, epoch=2)  # its variant is not there yet
    bench.executor.permits.release(2)
    assert [bench.await_results().plan_epoch for _ in range(2)] == [1, 1]
    bench.await_start()


def test_the_bench_says_what_is_at_work(bench):
    bench.plan("small", 2)
    for ticket in (11, 12, 13):
        bench.add(ticket)
    assert bench.link.bench.tickets() == []
    bench.thread.start()
    bench.await_start()
    assert bench.link.bench.tickets() == [11, 12]
    bench.executor.permits.release()
    bench.await_start()
    assert bench.link.bench.tickets() == [13]
    bench.executor.permits.release()
    for _ in range(2):
        bench.await_results()
    bench.records.get(timeout=LIMIT_S)
    bench.records.get(timeout=LIMIT_S)
    bench.add(14)
    bench.await_start()
    assert bench.link.bench.tickets() == [14]


def test_a_frame_in_a_decoder_is_at_work_and_one_that_waits_is_not(decoding_bench, monkeypatch):
    started, may_go = threading.Semaphore(0), threading.Semaphore(0)
    real = decoding.decode_frame

    def decode(data, side_px, fit):
        started.release()
        assert may_go.acquire(timeout=LIMIT_S)
        return real(data, side_px, fit)

    monkeypatch.setattr(decoding, "decode_frame", decode)
    decoding_bench.plan("small", 1)
    for ticket in (1, 2, 3):
        decoding_bench.add(ticket, jpeg=jpeg(64))
    for _ in range(2):
        assert started.acquire(timeout=LIMIT_S)
    assert sorted(decoding_bench.link.bench.tickets()) == [1, 2]
    may_go.release(3)


def test_a_frame_that_is_to_be_alone_is_decoded_and_run_alone(decoding_bench, monkeypatch):
    bench = decoding_bench
    at_work: list[list[int]] = []
    real = decoding.decode_frame

    def decode(data, side_px, fit):
        at_work.append(bench.link.bench.tickets())
        return real(data, side_px, fit)

    monkeypatch.setattr(decoding, "decode_frame", decode)
    real_start = bench.executor.start

    def start(variant, inputs):
        at_work.append(bench.link.bench.tickets())
        return real_start(variant, inputs)

    bench.executor.start = start
    bench.plan("small", 4)
    for ticket in range(1, 7):
        bench.add(ticket, jpeg=jpeg(64), is_alone=ticket in (3, 5))
    bench.executor.permits.release(6)
    bench.thread.start()
    answered = 0
    while answered < 6:
        answered += len(bench.await_results().frames)
    for own in (3, 5):
        assert [tickets for tickets in at_work if own in tickets] == [[own], [own]]


def test_a_frame_that_is_to_be_alone_is_given_up_like_any_other(decoding_bench):
    bench = decoding_bench
    bench.add(1, deadline_in_ms=-1, jpeg=jpeg(64), is_alone=True)
    bench.add(2, jpeg=b"junk", is_alone=True)
    bench.thread.start()
    ended = {}
    while len(ended) < 2:
        for frame in bench.await_results().frames:
            ended[frame.ticket] = frame.drop_reason
    assert ended == {1: "too_late", 2: "bad_frame"}
    bench.executor.permits.release()
    bench.add(3, jpeg=jpeg(64))
    (frame,) = bench.await_results().frames
    assert frame.ticket == 3


def test_an_endpoint_that_does_not_read_holds_nobody_up(bench):
    stuck_end, stuck = socket_pair()
    link = EndpointLink("endpoint-1", Channel(stuck), bench.link.memory)
    for ticket in range(3000):
        now_ms = MonotonicClock().now_ms()
        late = FrameDescriptor(ticket=ticket + 1, deadline_ms=now_ms - 1, handed_ms=now_ms)
        answers.give_up([WaitingFrame(link, late)], [Reason.TOO_LATE], "", FrameResults(), now_ms)
        if link.has_backlog and ticket > 10 and link._backlog_bytes > 10_000:
            break
    assert link.has_backlog
    bench.executor.permits.release()
    bench.add(1)
    bench.thread.start()
    assert bench.await_results().frames[0].ticket == 1
    reader = Channel(stuck_end)
    heard: list[int] = []
    while link.has_backlog or (packet := reader.receive()) is not None:
        if link.has_backlog:
            link.flush()
            packet = reader.receive()
        heard += [frame.ticket for frame in packet[0].results.frames]
    assert heard == list(range(1, len(heard) + 1))  # nothing lost, and in order
    assert len(heard) == ticket + 1
    link.close()
    reader.close()


def test_the_backlog_of_an_endpoint_is_bounded(bench, monkeypatch):
    monkeypatch.setattr(endpoint_link, "BACKLOG_BYTES", 1000)
    far, near = socket_pair()
    link = EndpointLink("endpoint-1", Channel(near), bench.link.memory)
    results = FrameResults(frames=[FrameResult(ticket=1, drop_detail="x" * 500)])
    for _ in range(5000):
        link.answer(results)
    assert link.has_backlog
    assert link._backlog_bytes <= 1000
    link.close()
    far.close()


def test_many_drops_at_once_fit_into_packets(bench):
    bench.thread.start()
    now_ms = MonotonicClock().now_ms()
    late = [
        FrameDescriptor(ticket=ticket + 1, deadline_ms=now_ms - 1, handed_ms=now_ms)
        for ticket in range(4000)
    ]
    bench.work.add(bench.link, late, now_ms)
    heard = 0
    while heard < 4000:
        bench.link.flush()
        heard += len(bench.await_results().frames)


def test_frames_decoded_for_another_variant_are_decoded_again(decoding_bench):
    bench = decoding_bench
    bench.plan("small", 1)
    bench.thread.start()
    for ticket in (1, 2):
        bench.add(ticket, jpeg=jpeg(64))
    bench.await_start()
    bench.plan("large", 1)
    bench.load("large")
    bench.executor.permits.release(2)
    assert bench.await_results().variant == "small"
    assert bench.await_results().variant == "large"
    assert bench.executor.sides == [64, 128]


def test_a_frame_that_seemed_hopeless_during_a_batch_is_decoded_if_the_batcher_keeps_it():
    bench = Bench(Puppet(needs_pictures=True), num_decoders=1, batcher=Patient())
    try:
        bench.add(1, jpeg=jpeg(64))
        bench.thread.start()
        bench.await_start()
        bench.add(2, deadline_in_ms=-1000, jpeg=jpeg(64))
        bench.executor.permits.release(2)
        tickets = [bench.await_results().frames[0].ticket for _ in range(2)]
        assert tickets == [1, 2]
    finally:
        bench.close()


def test_the_batcher_is_told_how_long_decoding_takes():
    batcher = Patient()
    bench = Bench(Puppet(needs_pictures=True), num_decoders=1, batcher=batcher)
    try:
        bench.executor.permits.release(3)
        bench.thread.start()
        told_ms, measured_ms = [2.0], []
        for ticket in range(3):
            bench.add(ticket, jpeg=jpeg(64))
            measured_ms.append(bench.await_results().frames[0].decode_ms)
            told_ms.append(0.9 * told_ms[-1] + 0.1 * measured_ms[-1])
    finally:
        bench.close()
    assert sorted({device.decode_ms for device in batcher.devices}) == pytest.approx(
        sorted(told_ms[:3]), rel=1e-4
    )


@pytest.mark.parametrize("needs_pictures", [False, True])
def test_an_idle_device_that_was_slow_runs_blank_batches_until_it_is_fast(needs_pictures):
    latency = BatchLatency((20.0,) * 4, (20.0,) * 4)
    puppet = Puppet(needs_pictures=needs_pictures)
    bench = Bench(puppet, num_decoders=1 if needs_pictures else 0, latencies={"small": latency})
    try:
        bench.thread.start()
        for ticket in (1, 2, 3):
            bench.add(ticket, jpeg=jpeg(64))
            bench.await_start()
            time.sleep(0.2)  # the device is this slow
            puppet.permits.release()
            bench.await_results()
        while not bench.statuses:  # at once
            time.sleep(0.01)
        assert bench.statuses[0].slowdown_ratio > 4
        puppet.permits.release(1000)
        for _ in range(2):
            bench.await_start()
            assert puppet.batches[-1] == ("small", 1)
            assert puppet.sides[-1] == (64 if needs_pictures else 0)
        bench.add(4, jpeg=jpeg(64))
        bench.await_results()
    finally:
        bench.close()
    assert bench.records.qsize() == 4  # blank ones are no frames


class Overlapping(Puppet):
    """Takes a second batch while the first runs."""

    depth = 2


def test_a_second_batch_starts_before_the_first_is_finished_where_two_may_be_under_way():
    latency = BatchLatency(
        (1000.0,) * 4, (1000.0,) * 4
    )  # the next one is chosen when this is nearly over
    puppet = Overlapping()
    bench = Bench(puppet, latencies={"small": latency})
    try:
        for ticket in (1, 2, 3):
            bench.add(ticket)
        bench.thread.start()
        bench.await_start()
        bench.await_start()  # nothing is finished: there was no permit
        assert sorted(bench.link.bench.tickets()) == [1, 2]
        puppet.permits.release(3)
        assert [bench.await_results().frames[0].ticket for _ in range(3)] == [1, 2, 3]
    finally:
        bench.close()


def test_what_a_batch_takes_counts_from_the_end_of_the_one_before_where_that_is_later():
    bench = Bench(Overlapping(), latencies={"small": BatchLatency((1000.0,) * 4, (1000.0,) * 4)})
    try:
        for ticket in (1, 2):
            bench.add(ticket)
        start_s = time.monotonic()
        bench.thread.start()
        for _ in range(2):
            bench.await_start()
        for _ in range(2):  # both were launched; the device takes that for each
            time.sleep(0.1)
            bench.executor.permits.release()
            bench.await_results()
        total_ms = 1000 * (time.monotonic() - start_s)
        took_ms = [bench.records.get(timeout=LIMIT_S).inference_ms for _ in range(2)]
        assert all(one >= 90 for one in took_ms)
        assert sum(took_ms) <= total_ms
    finally:
        bench.close()


def test_a_blank_batch_that_fails_costs_nothing_and_comes_again():
    latency = BatchLatency((1.0,) * 4, (1.0,) * 4)
    bench = Bench(Puppet(), latencies={"small": latency})
    try:
        bench.thread.start()
        for ticket in (1, 2, 3):
            bench.add(ticket)
            bench.await_start()
            time.sleep(0.05)  # the device is this slow
            bench.executor.permits.release()
            bench.await_results()
        bench.executor.failure = RuntimeError("made to fail")
        bench.executor.permits.release(1000)
        for _ in range(2):
            bench.await_start()
        assert bench.core.condition.slowdown.slowness.ratio > 4
    finally:
        bench.close()
