"""Both shapers do the same to real TCP."""

from __future__ import annotations

import contextlib
import csv
import itertools
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from moonjelly.core.errors import RunError, UsageError
from moonjelly.links.shapers import (
    Fault,
    FaultKind,
    LinkConfig,
    Way,
    open_shaper,
    start_links,
)
from moonjelly.links.shapers.traffic_control import BURST_MS
from moonjelly.links.traces import LinkTrace, constant_trace

shapers = pytest.mark.parametrize(
    "kind", ["relay", pytest.param("kernel", marks=pytest.mark.network)]
)
STAIRCASE = LinkTrace((20, 15, 10, 7.5, 10, 15, 20), period_s=0.3)


@contextlib.contextmanager
def linked(laboratory: SimpleNamespace, kind: str, out_dir: Path, **fields):
    """A sink behind one link; yields the sink and the address for its clients."""
    with (
        open_shaper(kind, ["cam"], out_dir) as shaper,
        laboratory.running_sink(shaper.server_command) as sink,
    ):
        shaper.start([LinkConfig("cam", sink.address, **fields)])
        yield sink, shaper.address("cam")


def logged_kbps(out_dir: Path) -> list[tuple[float, float]]:
    with (out_dir / "link-cam.csv").open() as file:
        return [(float(row["at_ms"]), float(row["rate_kbps"])) for row in csv.DictReader(file)]


@shapers
@pytest.mark.parametrize("mbps", [2.0, 60.0])
def test_bulk_tcp_gets_the_rate_of_the_link(
    kind: str, mbps: float, tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    """Never more; less only while this machine is too busy to send."""
    with linked(laboratory, kind, tmp_path, uplink=constant_trace(mbps)) as (sink, address):

        def is_filled() -> bool:
            mbits, seconds = laboratory.carried(sink, address, 1.0)
            assert mbits <= mbps * (seconds * 1.01 + 0.05)
            return mbits >= mbps * (seconds * 0.8 - 0.1)

        assert laboratory.in_some_try(is_filled)


@shapers
def test_the_staircase_is_followed_and_logged(
    kind: str, tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    """What arrived by the end of each step is what all steps so far carry, if the machine lets them be on time."""
    seconds = STAIRCASE.period_s * len(STAIRCASE.values_mbps)
    carried_mbit = list(
        itertools.accumulate(value * STAIRCASE.period_s for value in STAIRCASE.values_mbps)
    )

    def is_followed() -> bool:
        with linked(laboratory, kind, tmp_path, uplink=STAIRCASE) as (sink, address):
            start_s = time.monotonic()
            with laboratory.connect(address) as connection:
                laboratory.send_for(connection, seconds)
            times = sink.report()["times"]
        rows = logged_kbps(tmp_path)
        assert [rate for _, rate in rows[:7]] == [1000 * value for value in STAIRCASE.values_mbps]
        are_as_much = []
        for number, mbit in enumerate(carried_mbit, 1):
            end_s = start_s + number * STAIRCASE.period_s
            arrived = max((total for at_s, total in times if at_s <= end_s), default=0) * 8 / 1e6
            most = 1.03 * mbit + 20 * (BURST_MS / 1000 + 0.05)
            are_as_much.append(0.75 * mbit <= arrived <= most)
        return all(are_as_much) and rows[6][0] - rows[0][0] == pytest.approx(
            6 * 1000 * STAIRCASE.period_s, abs=250
        )

    assert laboratory.in_some_try(is_followed)


@shapers
def test_a_cut_link_carries_nothing_and_comes_back(
    kind: str, tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    cut = Fault(0.5, FaultKind.CUT, 0.7)
    links = {"uplink": constant_trace(20), "faults": (cut,)}

    def is_cut_for_that_long() -> bool:
        with linked(laboratory, kind, tmp_path, **links) as (sink, address):
            with laboratory.connect(address) as connection:
                laboratory.send_for(connection, 2.8)
            times = sink.report()["times"]
        assert [rate for _, rate in logged_kbps(tmp_path)] == [20_000, 0, 20_000]
        gap_s, back_s = max((b[0] - a[0], b[0]) for a, b in itertools.pairwise(times))
        after_mbit = (times[-1][1] - next(n for at, n in times if at >= back_s)) * 8 / 1e6
        return 0.6 <= gap_s <= 2.2 and after_mbit >= 0.5 * 20 * (times[-1][0] - back_s)

    assert laboratory.in_some_try(is_cut_for_that_long)


@shapers
def test_a_rate_of_zero_in_a_trace_is_an_outage(
    kind: str, tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    trace = LinkTrace(
        (10.0, 10.0, 0.0), period_s=0.4
    )  # whenever a sender begins, it meets an outage

    def meets_an_outage() -> bool:
        with linked(laboratory, kind, tmp_path, uplink=trace) as (sink, address):
            with laboratory.connect(address) as connection:
                laboratory.send_for(connection, 2.5)
            times = sink.report()["times"]
        return max(b[0] - a[0] for a, b in itertools.pairwise(times)) >= 0.3

    assert laboratory.in_some_try(meets_an_outage)


def is_greeted(address: str) -> bool:
    """Whether a new connection hears from the server."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 1.0) as late:
            return late.recv(1) == b"!"
    except TimeoutError:
        return False


@shapers
def test_one_way_can_be_cut_alone(kind: str, tmp_path: Path, laboratory: SimpleNamespace) -> None:
    """What the client sends arrives; what the server sends does not."""
    cut = Fault(2.0, FaultKind.CUT, 60.0, Way.DOWN)
    with linked(laboratory, kind, tmp_path, faults=(cut,)) as (sink, address):
        start_s = time.monotonic()
        with laboratory.connect(address) as connection:
            time.sleep(max(0.0, start_s + cut.at_s - time.monotonic()))
            while is_greeted(address):
                pass
            connection.sendall(b"more")
        arrived = next(times for times in iter(lambda: sink.report()["times"], None) if times)
        assert arrived[-1][1] == 4
        assert logged_kbps(tmp_path)[1:] == [], "the uplink was left alone"


@shapers
def test_a_reset_reaches_both_ends(kind: str, tmp_path: Path, laboratory: SimpleNamespace) -> None:
    faults = tuple(
        Fault(at_s, FaultKind.RESET) for at_s in (0.5, 5.0, 10.0)
    )  # or it comes too soon
    with linked(laboratory, kind, tmp_path, faults=faults) as (sink, address):
        with laboratory.connect(address) as connection, pytest.raises(ConnectionError):
            laboratory.send_for(connection, 20.0)
        assert sink.report()["end"] != "closed"
        with laboratory.connect(address) as again:
            again.sendall(b"works")
        assert sink.report()["times"][-1][1] == 5


@shapers
def test_a_half_open_connection_is_dead_while_new_ones_work(
    kind: str, tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    faults = tuple(Fault(at_s, FaultKind.HALF_OPEN) for at_s in (0.5, 5.0, 10.0))
    with linked(laboratory, kind, tmp_path, faults=faults) as (sink, address):
        old = laboratory.connect(address)
        laboratory.send_until_stuck(old)
        old.close()  # the server never hears of it
        with laboratory.connect(address) as new:
            new.sendall(b"works")
        assert sink.report()["times"][-1][1] == 5


def test_the_relay_adds_delay_and_jitter_and_keeps_the_order(
    tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    link = {"wire_ms": 30.0, "jitter_ms": 40.0}
    with linked(laboratory, "relay", tmp_path, **link) as (sink, address):
        start_s = time.monotonic()
        with laboratory.connect(address) as connection:
            assert time.monotonic() - start_s >= 0.030
            for number in range(20):
                connection.sendall(bytes([number]))
        times = sink.report()["times"]
    assert times[-1][1] == 20


@pytest.mark.network
@pytest.mark.no_netem
def test_a_kernel_that_cannot_delay_says_so(tmp_path: Path) -> None:
    with (
        open_shaper("kernel", ["cam"], tmp_path) as shaper,
        pytest.raises(UsageError, match=r"cam: wire_ms=30, jitter_ms=5: must be 0 .*no netem"),
    ):
        shaper.start([LinkConfig("cam", "127.0.0.1:1", wire_ms=30, jitter_ms=5)])


@pytest.mark.network
@pytest.mark.netem
def test_the_kernel_adds_delay(tmp_path: Path, laboratory: SimpleNamespace) -> None:
    with linked(laboratory, "kernel", tmp_path, wire_ms=30.0) as (_, address):
        start_s = time.monotonic()
        laboratory.connect(address).close()
        assert time.monotonic() - start_s >= 0.06


@pytest.mark.network
def test_links_of_the_kernel_have_each_their_own_rate(
    tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    mbps_of = {"slow": 2.0, "fast": 30.0}
    with (
        open_shaper("kernel", list(mbps_of), tmp_path) as shaper,
        laboratory.running_sink(shaper.server_command) as sink,
    ):
        shaper.start(
            [LinkConfig(name, sink.address, constant_trace(mbps)) for name, mbps in mbps_of.items()]
        )
        for name, mbps in mbps_of.items():
            address = shaper.address(name)

            def is_filled(address: str = address, mbps: float = mbps) -> bool:
                mbits, seconds = laboratory.carried(sink, address, 1.0)
                assert mbits <= mbps * (seconds * 1.01 + 0.05)
                return mbits >= mbps * (seconds * 0.8 - 0.1)

            assert laboratory.in_some_try(is_filled), name


@pytest.mark.network
def test_kernel_links_lead_out_to_a_server_that_is_in_no_namespace_of_theirs(
    tmp_path: Path, laboratory: SimpleNamespace
) -> None:
    reset = Fault(3.0, FaultKind.RESET)
    with laboratory.running_sink(()) as sink:
        links = [
            LinkConfig("slow", sink.address, uplink=constant_trace(4)),
            LinkConfig("cam", sink.address, uplink=constant_trace(40), faults=(reset,)),
        ]
        with start_links(links, tmp_path, shaper="kernel") as shaper:
            address = shaper.address("cam")

            def is_filled() -> bool:
                mbits, seconds = laboratory.carried(sink, address, 0.5)
                assert mbits <= 40 * (seconds * 1.01 + 0.05)
                return mbits >= 40 * (seconds * 0.8 - 0.1)

            assert laboratory.in_some_try(is_filled)
            with laboratory.connect(address), laboratory.connect(shaper.address("slow")):
                assert sink.report()["end"] == "ConnectionResetError"
    assert logged_kbps(tmp_path)[0] == (pytest.approx(0, abs=1000), 40_000)


def test_a_shaper_of_another_kind_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="shaper='wet': must be one of relay, kernel"),
        open_shaper("wet", ["a"], tmp_path),
    ):
        pass


def test_the_kernel_needs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from moonjelly.links.shapers import kernel

    monkeypatch.setattr(kernel.os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="shaper=kernel: needs root"), kernel.kernel_shaper(["a"]):
        pass


def test_links_of_one_name_are_refused(tmp_path: Path) -> None:
    link = LinkConfig("a", "127.0.0.1:1")
    with pytest.raises(ValueError, match="names must differ"), start_links([link, link], tmp_path):
        pass


def test_links_that_the_shaper_was_not_opened_for_are_refused(tmp_path: Path) -> None:
    with (
        open_shaper("relay", ["a"], tmp_path) as shaper,
        pytest.raises(ValueError, match=r"links=\['b'\]: must be \['a'\]"),
    ):
        shaper.start([LinkConfig("b", "127.0.0.1:1")])


def test_a_link_whose_port_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        link = LinkConfig("a", "127.0.0.1:1", port=taken.getsockname()[1])
        with pytest.raises(RunError, match="in use"), start_links([link], tmp_path):
            pass
