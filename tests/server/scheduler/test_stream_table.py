from __future__ import annotations

from moonjelly.core.problem import Client
from moonjelly.protos.internal_pb2 import Snapshot, StreamState
from moonjelly.server.scheduler.streams import JOIN_GRACE_MS, StreamTable, read_client


def state(stream_id: str, fps: float = 10.0) -> StreamState:
    return StreamState(
        stream_id=stream_id, fps=fps, slo_ms=100.0, bandwidth_kbps=1000.0, frame_size_ratio=1.0
    )


def client(stream_id: str, fps: float = 10.0) -> Client:
    read = read_client(state(stream_id, fps))
    assert read is not None
    return read


def table(*endpoints: str) -> StreamTable:
    made = StreamTable()
    for endpoint in endpoints:
        made.add_endpoint(endpoint)
    return made


def ids(streams: StreamTable) -> list[str]:
    return [one.client_id for one in streams.clients()]


def test_a_snapshot_replaces_what_its_endpoint_said() -> None:
    streams = table("e0", "e1")
    streams.take("e0", Snapshot(streams=[state("a"), state("b")]), 0.0)
    streams.take("e1", Snapshot(streams=[state("c")], overhead_ms=3.0), 0.0)
    assert ids(streams) == ["a", "b", "c"]
    streams.take("e0", Snapshot(streams=[state("b", 20.0)], overhead_ms=2.0), 1.0)
    assert ids(streams) == ["b", "c"]
    assert streams.clients()[0].fps == 20.0
    assert streams.overhead_ms() == 3.0


def test_parts_count_when_all_are_there() -> None:
    streams = table("e0")
    assert not streams.take("e0", Snapshot(streams=[state("a")], has_more=True), 0.0)
    assert (ids(streams), streams.num_spoken) == ([], 0)
    assert streams.take("e0", Snapshot(streams=[state("b")]), 0.0)
    assert (ids(streams), streams.num_spoken) == (["a", "b"], 1)


def test_a_stream_that_joined_outlasts_a_snapshot_that_was_sent_before() -> None:
    streams = table("e0")
    streams.join("e0", client("a"), 0.0)
    streams.take("e0", Snapshot(), 1.0)
    assert ids(streams) == ["a"]
    streams.take("e0", Snapshot(streams=[state("a")]), 2.0)
    streams.take("e0", Snapshot(), 3.0)
    assert ids(streams) == []


def test_a_stream_that_joined_and_never_came_is_forgotten() -> None:
    streams = table("e0")
    streams.join("e0", client("a"), 0.0)
    streams.take("e0", Snapshot(), JOIN_GRACE_MS + 1)
    assert ids(streams) == []


def test_a_stream_belongs_where_it_joined_last() -> None:
    streams = table("e0", "e1")
    streams.join("e0", client("a", 10.0), 0.0)
    streams.take("e0", Snapshot(streams=[state("a", 10.0)]), 0.0)
    streams.join("e1", client("a", 20.0), 1.0)
    streams.take("e0", Snapshot(streams=[state("a", 10.0)]), 2.0)  # has not noticed yet
    assert [(one.client_id, one.fps) for one in streams.clients()] == [("a", 20.0)]
    assert not streams.lose_endpoint("e0")
    assert ids(streams) == ["a"]


def test_a_lost_endpoint_takes_its_streams_with_it() -> None:
    streams = table("e0", "e1")
    streams.take("e0", Snapshot(streams=[state("a")]), 0.0)
    streams.take("e1", Snapshot(streams=[state("b")]), 0.0)
    assert streams.lose_endpoint("e0")
    assert ids(streams) == ["b"]
    streams.add_endpoint("e0")
    streams.take("e0", Snapshot(streams=[state("a")]), 1.0)
    assert ids(streams) == ["a", "b"]


def test_a_stream_that_cannot_be_planned_is_left_out() -> None:
    streams = table("e0")
    bad = state("bad")
    bad.fps = float("nan")
    streams.take("e0", Snapshot(streams=[bad, state("good")]), 0.0)
    assert ids(streams) == ["good"]


def test_a_stream_whose_link_is_down_stays() -> None:
    silent = state("a")
    silent.bandwidth_kbps = 0.0
    streams = table("e0")
    streams.take("e0", Snapshot(streams=[silent]), 0.0)
    assert streams.clients()[0].bandwidth_kbps == 0.0
