from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from moonjelly.server.wire.bench import BENCH_BYTES, MAX_BATCH, MAX_DECODERS, Bench, create_bench


@pytest.fixture
def ends():
    descriptor = create_bench()
    made = Bench(descriptor), Bench(descriptor)
    os.close(descriptor)
    yield made
    for bench in made:
        bench.close()


def test_what_one_end_writes_the_other_reads(ends):
    writer, reader = ends
    assert reader.tickets() == []
    writer.decode(0, 7)
    writer.decode(MAX_DECODERS - 1, 2**64 - 1)
    writer.run([3, 4, 5])
    assert reader.tickets() == [7, 2**64 - 1, 3, 4, 5]
    writer.run([6])
    writer.decode(0, 0)
    assert reader.tickets() == [2**64 - 1, 6]
    writer.run(())
    writer.decode(MAX_DECODERS - 1, 0)
    assert reader.tickets() == []


def test_the_largest_batch_fits(ends):
    writer, reader = ends
    writer.run(range(1, MAX_BATCH + 1))
    assert reader.tickets() == list(range(1, MAX_BATCH + 1))


def test_what_is_received_counts_where_nothing_is_decoded_or_run(ends):
    writer, reader = ends
    writer.receive(9)
    assert reader.tickets() == [9]
    writer.run([1])
    assert reader.tickets() == [1]
    writer.run(())
    writer.receive(0)
    assert reader.tickets() == []


def test_what_is_written_outlives_its_writer():
    descriptor = create_bench()
    reader = Bench(descriptor)
    code = "import os, sys; from moonjelly.server.wire.bench import Bench; Bench(int(sys.argv[1])).run([42]); os.abort()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(descriptor)], pass_fds=[descriptor], check=False
    )
    os.close(descriptor)
    assert done.returncode == -signal.SIGABRT
    assert reader.tickets() == [42]
    reader.close()


def test_a_bench_of_ones_own_needs_no_descriptor():
    bench = Bench()
    bench.run([1])
    assert bench.tickets() == [1]


def test_a_file_that_is_too_small_is_no_bench():
    descriptor = os.memfd_create("other")
    os.ftruncate(descriptor, BENCH_BYTES - 1)
    try:
        with pytest.raises(ValueError, match="bench"):
            Bench(descriptor)
    finally:
        os.close(descriptor)
