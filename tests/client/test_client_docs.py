"""The examples of docs/client.md run as they stand, but for the address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import moonjelly.client
from moonjelly.client import stream as stream_module
from moonjelly.client.sources import ArraySource
from moonjelly.core.verdict import Reason
from moonjelly.protos import serving_pb2 as pb

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def five_frames(monkeypatch):
    """Sources end after five grey frames."""
    import numpy as np

    grey = np.full((48, 64, 3), 128, np.uint8)
    monkeypatch.setattr(stream_module, "open_source", lambda *_: ArraySource([grey], 5))


def run(example, server):
    assert "127.0.0.1:10001" in example
    exec(example.replace("127.0.0.1:10001", server.address), {"__name__": "__main__"})  # noqa: S102


def test_the_page_has_its_four_examples():
    assert len(EXAMPLES) == 4
    assert "In ten lines" in PAGE.read_text()
    statements = [line for line in EXAMPLES[0].splitlines() if line.strip()]
    assert len(statements) <= 10


def test_ten_lines_show_detections(threaded_server, five_frames, capsys):
    run(EXAMPLES[0], threaded_server)
    assert "['bus'] after" in capsys.readouterr().out
    assert threaded_server.num_goodbyes == 1


def test_the_example_without_async_shows_verdicts(threaded_server, five_frames, capsys):
    run(EXAMPLES[1], threaded_server)
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_the_refused_example_takes_the_counter_offer(
    threaded_server, five_frames, capsys, monkeypatch
):
    threaded_server.refusal = pb.Refusal(
        reason=pb.Refusal.OVERLOAD,
        detail="full",
        counter_offers=[pb.CounterOffer(fps=20, slo_ms=500)],
    )
    refused_init = moonjelly.client.Refused.__init__

    def then_accept(self, *arguments):
        refused_init(self, *arguments)
        threaded_server.refusal = None

    monkeypatch.setattr(moonjelly.client.Refused, "__init__", then_accept)
    run(EXAMPLES[2], threaded_server)
    shown = capsys.readouterr().out.splitlines()
    assert "20 frames/s with an SLO of 500 ms" in shown[0]
    assert len(shown) == 6
    assert [(r.fps, r.slo_ms) for r in threaded_server.registrations] == [(30, 50), (20, 500)]


def test_the_example_of_an_own_source_is_one(threaded_server):
    namespace = {}
    exec(EXAMPLES[3], namespace)  # noqa: S102
    with (
        moonjelly.client.connect_sync(threaded_server.address) as client,
        client.stream(namespace["Noise"](), fps=20, slo_ms=5000, num_frames=3) as stream,
    ):
        assert len(list(stream)) == 3


def test_the_reasons_the_page_names_exist():
    for word in (
        "client_too_slow", "connection_lost", "link_too_slow", "no_answer", "not_connected", "source_lost", "superseded",
    ):  # fmt: skip
        assert f"`{word}`" in PAGE.read_text()
        assert word in set(Reason)
