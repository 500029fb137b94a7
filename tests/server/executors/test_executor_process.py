"""A real executor process; the test is its supervisor, endpoint and scheduler."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import psutil
import pytest

from moonjelly.files.tidy_table import read_tidy_table
from moonjelly.protos.internal_pb2 import Cancel, Envelope, FrameResults, Reread
from moonjelly.server.access.tenants import hash_of
from moonjelly.server.child import EXIT_ORPHANED

LIMIT_S = 60.0
VARIANT = "yolov4-416"


def test_frames_are_answered_and_the_process_leaves_when_told(start, tmp_path):
    executor = start(out_dir=str(tmp_path))
    executor.await_ready()
    tickets = [executor.send(b"frame") for _ in range(8)]
    results = executor.await_results(8)
    assert sorted(result.ticket for result, _ in results) == tickets
    assert all(result.HasField("detections") for result, _ in results)
    assert executor.drain() == 0
    rows = read_tidy_table(tmp_path / "batches-device0.csv", {}).to_dicts()
    assert sum(row["batch_size"] for row in rows) == 8
    assert {row["device_id"] for row in rows} == {"device0"}


def test_a_log_that_cannot_be_made_keeps_nobody_from_serving(start):
    executor = start(out_dir="/proc/nowhere")
    executor.await_ready()
    executor.send(b"frame")
    assert len(executor.await_results(1)) == 1
    assert executor.drain() == 0


def test_a_plan_changes_the_variant(start):
    executor = start()
    executor.await_ready()
    executor.plan(VARIANT, batch_size=4, arrival_fps=10, epoch=5)
    packet = FrameResults()
    while packet.variant != VARIANT:
        executor.send(b"frame")
        ((_, packet),) = executor.await_results(1)
    assert (packet.variant, packet.plan_epoch, packet.batch_size) == (VARIANT, 5, 1)


def test_a_scheduler_hears_from_the_device_as_soon_as_it_is_attached(start):
    executor = start()
    executor.await_ready()
    executor.receive(executor.scheduler, "executor_status")
    successor = executor.attach("scheduler-0")
    status = executor.receive(successor, "executor_status").executor_status
    assert (status.device_id, status.slowdown_ratio) == ("device0", 1)
    successor.close()


def test_cancelled_frames_get_no_answer(start):
    executor = start(replay_latency_ratio=5.0)
    executor.await_ready()
    tickets = [executor.send(b"frame") for _ in range(6)]
    executor.endpoint.send(Envelope(cancel=Cancel(tickets=tickets[3:])))
    last = executor.send(b"frame")
    answered = [result.ticket for result, _ in executor.await_results(4)]
    assert answered == [*tickets[:3], last]


def test_a_new_endpoint_takes_the_place_of_the_old(start):
    executor = start(replay_latency_ratio=5.0)
    executor.await_ready()
    for _ in range(4):
        executor.send(b"frame")
    old, executor.endpoint = executor.endpoint, executor.attach("endpoint-0")
    old.close()
    ticket = executor.send(b"frame")
    ((result, _),) = executor.await_results(1)
    assert result.ticket == ticket


def test_it_leaves_with_its_supervisor(start):
    executor = start()
    executor.await_ready()
    executor.control.close()
    assert executor.process.wait(30) == EXIT_ORPHANED


def test_signals_that_are_meant_for_the_supervisor_are_ignored(start):
    executor = start()
    executor.await_ready()
    for number in (signal.SIGINT, signal.SIGTERM):
        executor.process.send_signal(number)
    executor.send(b"frame")
    assert len(executor.await_results(1)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"zoo": "nowhere"},
            "must be a folder with zoo.yaml, or one of loudva, replayed-gpu, traffic",
        ),
    ],
)
def test_what_keeps_it_from_starting_is_told_in_words(start, options, words):
    executor = start(**options)
    status = executor.receive(executor.control, "child_status").child_status
    assert not status.is_alive
    assert words in status.detail
    assert executor.process.wait(30) == 2


def test_an_idle_executor_takes_no_processor_time(start):
    executor = start()
    executor.await_ready()
    executor.send(b"frame")
    executor.await_results(1)
    process = psutil.Process(executor.process.pid)

    def is_idle() -> bool:
        before = sum(process.cpu_times()[:2])
        switches = process.num_ctx_switches().voluntary
        with pytest.raises(psutil.TimeoutExpired):
            process.wait(timeout=1)
        spent_s = sum(process.cpu_times()[:2]) - before
        return spent_s <= 0.03 and process.num_ctx_switches().voluntary - switches <= 5

    assert any(is_idle() for _ in range(20))  # what the first batch brings with it ends


def test_it_starts_small(start):
    executor = start()
    executor.await_ready()
    process = psutil.Process(executor.process.pid)
    assert process.memory_info().rss < 100e6
    libraries = {Path(part.path).name for part in process.memory_maps()}
    assert not any("torch" in name or "cuda" in name for name in libraries)


def test_no_frame_and_no_memory_stays_behind(start):
    executor = start()
    executor.await_ready()
    process = psutil.Process(executor.process.pid)
    executor.send(b"frame")
    executor.await_results(1)
    before = process.num_fds()
    for _ in range(4):
        executor.endpoint.close()
        executor.endpoint = executor.attach("endpoint-0")
        executor.send(b"frame")
        executor.await_results(1)
    limit_s = time.monotonic() + LIMIT_S  # the old ends are closed just after
    while process.num_fds() != before:
        assert time.monotonic() < limit_s, (process.num_fds(), before)
        time.sleep(0.01)


def tenants_of_next(executor, count: int) -> str:
    """Whose frames are answered after the first, of as many of a and b that come at once."""
    sent = {executor.send(b"frame", tenant=name): name for name in "a" * count + "b" * count}
    order = [sent[result.ticket] for result, _ in executor.await_results(2 * count)]
    return "".join(order[1 : count + 2])


def test_tenants_share_the_device_by_weights_that_may_change(start, tmp_path):
    path = tmp_path / "tenants.yaml"

    def set_weights(**weights: int) -> None:
        path.write_text(
            "tenants:\n"
            + "".join(
                f"  - {{name: {name}, token_sha256: {hash_of(name)}, weight: {weight}}}\n"
                for name, weight in weights.items()
            )
        )

    set_weights(a=300, b=100)
    executor = start(batcher="fair", replay_latency_ratio=4.0, tenants=str(path))
    executor.await_ready()
    assert tenants_of_next(executor, 7).count("a") >= 5
    set_weights(a=100, b=300)
    executor.control.send(Envelope(reread=Reread()))
    executor.receive(executor.control, "heartbeat")
    executor.receive(executor.control, "heartbeat")
    assert tenants_of_next(executor, 7).count("a") <= 3  # 4 would be equal shares
    path.write_text("tenants: 5\n")
    executor.control.send(Envelope(reread=Reread()))
    assert tenants_of_next(executor, 7).count("a") <= 3  # 4 would be equal shares
    assert executor.drain() == 0
