"""How an executor process ends, and what it says on its bench; the test is its endpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from moonjelly.protos.internal_pb2 import Attach, Envelope, FrameDescriptor
from moonjelly.server.child import EXIT_DEVICE_LOST
from moonjelly.server.wire.bench import Bench, create_bench
from moonjelly.server.wire.frame_memory import read_only

VARIANT = "yolov4-416"


def patched(code: str) -> list[str]:
    """A command for an executor in which something was patched first."""
    start = "import sys; from moonjelly.server.child import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-P", "-c", f"{textwrap.dedent(code)}\n{start}"]


def hand_bench(executor) -> Bench:
    descriptor = create_bench()
    bench = Bench(descriptor)
    executor.endpoint.send(Envelope(attach=Attach(what=Attach.BENCH)), [descriptor])
    os.close(descriptor)
    return bench


DIES_IN_RUN = """
import os
from moonjelly.server.executors import loop
real = loop.BatchLoop._start
def start(self, lot):
    if any(frame.descriptor.jpeg_bytes == 13 for frame in lot.frames):
        {how}
    return real(self, lot)
loop.BatchLoop._start = start
"""


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("os._exit(9)", 9),
        ("raise SystemExit(0)", 1),
        ("raise KeyboardInterrupt", 1),
        ("raise RuntimeError('odd')", 1),
        ("from moonjelly.devices.executors.port import DeviceLostError as D; raise D('x')", EXIT_DEVICE_LOST),
        ("import ctypes; ctypes.string_at(0)", -11),
    ],
)  # fmt: skip
def test_whatever_ends_the_batch_loop_ends_the_process_and_its_frame_is_named(start, how, status):
    executor = start(command=patched(DIES_IN_RUN.format(how=how)))
    executor.await_ready()
    bench = hand_bench(executor)
    executor.send(b"good")
    executor.await_results(1)
    ticket = executor.send(b"x" * 13)
    assert executor.process.wait(60) == status
    assert bench.tickets() == [ticket]


@pytest.mark.parametrize(
    "patch",
    [
        "from moonjelly.scheduling.cores.device.core import DeviceCore as C; name = 'take'",
        "from moonjelly.server.executors.peers import Peers as C; name = '_take_plan'",
    ],
)
def test_the_receiving_thread_takes_the_process_along(start, patch):
    code = f"{patch}\ndef fail(*_): raise RuntimeError('odd')\nsetattr(C, name, fail)"
    executor = start(command=patched(code))
    executor.await_ready()
    bench = hand_bench(executor)
    ticket = executor.send(b"frame")
    executor.plan(VARIANT, 1)
    assert executor.process.wait(60) == 1
    if "DeviceCore" in patch:
        assert bench.tickets() == [ticket]


def test_a_decoder_that_dies_names_its_frame(start):
    code = """
    import os
    from moonjelly.server.executors import decoding
    from moonjelly.devices.executors.replayed_executor import ReplayedExecutor
    def decode(jpeg, side_px, fit):
        os.abort()
    decoding.decode_frame = decode
    ReplayedExecutor.needs_pictures = True
    """
    executor = start(command=patched(code))
    executor.await_ready()
    bench = hand_bench(executor)
    ticket = executor.send(b"frame")
    assert executor.process.wait(60) == -6
    assert bench.tickets() == [ticket]


def test_a_batcher_that_waits_long_keeps_the_process_alive(start):
    executor = start(batcher="fixed:8", replay_latency_ratio=1.0)
    executor.await_ready()
    executor.plan(VARIANT, batch_size=8)
    executor.send(b"frame", deadline_in_ms=300.0)
    executor.await_results(1)  # from here on the device has run
    ticket = executor.send(b"frame", deadline_in_ms=7000.0)
    with pytest.raises(subprocess.TimeoutExpired):
        executor.process.wait(5)
    ((result, _),) = executor.await_results(1)
    assert result.ticket == ticket
    assert result.HasField("detections")


def test_a_batcher_that_waits_past_deadlines_is_not_taken_for_a_hang(start):
    executor = start(batcher="interval:3000", replay_latency_ratio=1.0)
    executor.await_ready()
    executor.send(b"frame", deadline_in_ms=300.0)
    executor.await_results(1)
    ticket = executor.send(b"frame", deadline_in_ms=100.0)
    signs = [executor.receive(executor.endpoint, "results").results for _ in range(6)]
    assert [len(one.frames) for one in signs] == [0] * 6  # it waits with the frame, and says so
    ((result, _),) = executor.await_results(1)
    assert (result.ticket, result.drop_reason) == (ticket, "too_late")


def test_a_variant_that_cannot_be_loaded_is_told_and_another_runs(start):
    code = f"""
    from moonjelly.devices.executors.replayed_executor import ReplayedExecutor
    real = ReplayedExecutor.load
    def load(self, variant, max_batch_size):
        if variant == {VARIANT!r}:
            raise RuntimeError("a library")
        real(self, variant, max_batch_size)
    ReplayedExecutor.load = load
    """
    executor = start(command=patched(code))
    executor.await_ready()
    executor.plan(VARIANT, batch_size=4)
    status = executor.receive(executor.scheduler, "executor_status").executor_status
    while not status.broken_variants:
        status = executor.receive(executor.scheduler, "executor_status").executor_status
    assert list(status.broken_variants) == [VARIANT]
    executor.send(b"frame")
    ((_, packet),) = executor.await_results(1)
    assert packet.variant not in ("", VARIANT)


def test_a_new_endpoint_beside_its_dying_predecessor_disturbs_nothing(start):
    executor = start()
    executor.await_ready()
    for _ in range(6):
        old = executor.endpoint
        executor.process.send_signal(signal.SIGSTOP)  # so that both events are there at once
        try:
            executor.endpoint = executor.attach("endpoint-0")
            old.close()
        finally:
            executor.process.send_signal(signal.SIGCONT)
        executor.send(b"frame")
        executor.await_results(1)
    assert executor.process.poll() is None


def test_an_endpoint_that_is_stuck_gets_its_answers_when_it_reads_again(start):
    executor = start()
    executor.await_ready()
    readable = read_only(executor._memory)
    memory = Attach(what=Attach.FRAME_MEMORY, peer="endpoint-1")
    executor.control.send(Envelope(attach=memory), [readable])
    os.close(readable)
    stuck = executor.attach("endpoint-1")
    sent = range(1, 8001)
    for ticket in sent:
        late = Envelope(frame=FrameDescriptor(ticket=ticket, deadline_ms=1.0))
        assert stuck.send_within(late, 30.0)
    number = executor.send(b"frame")
    ((result, _),) = executor.await_results(1)
    assert result.ticket == number
    executor.endpoint, healthy = stuck, executor.endpoint
    heard = [result.ticket for result, _ in executor.await_results(len(sent))]
    assert heard == list(sent)
    healthy.close()
