"""Public networks are fetched whole, on where it was interrupted, and are what their publisher states; from a server on loopback."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from toy_networks import Toy, export

from moonjelly.cli import main
from moonjelly.vision.classes import COCO_CLASSES
from moonjelly.zoo_tool import command
from moonjelly.zoo_tool.fetching import PUBLIC, PublicNetwork
from moonjelly.zoos import open_zoo


class Shelf(ThreadingHTTPServer):
    """Serves one file; hangs up after so many bytes, if it is told to."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.most_bytes = len(content)
        self.does_parts = True
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        content, wanted = self.server.content, self.headers.get("Range", "")
        self.server.asked.append(wanted)
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        start = int(match[1]) if match and self.server.does_parts else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + self.server.most_bytes])

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setattr("toy_networks.CLASSES", COCO_CLASSES)
    content = export(Coco(), tmp_path / "coco.onnx").read_bytes()
    with Shelf(content) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/toy.onnx"
        digest = hashlib.sha256(content).hexdigest()
        toy = PublicNetwork(address, digest, len(content), "yolov8")
        monkeypatch.setattr(command, "PUBLIC", {"toy": toy})
        yield server
        server.shutdown()
        thread.join()


class Coco(Toy):
    """With a score for each of COCO's classes."""

    def forward(self, images):
        import torch

        found = super().forward(images)
        return torch.cat((found, *[0 * found[:, 4:5]] * 77), dim=1)


def fetch() -> int:
    return main(["zoo", "fetch", "toy"])


def test_a_network_is_fetched_and_taken_in(shelf: Shelf, capsys) -> None:
    assert fetch() == 0
    zoo = open_zoo("toy")
    assert zoo.zoo.class_names == COCO_CLASSES
    assert zoo.read_weights(zoo.zoo.networks[0]) == shelf.content
    assert "licence of its publisher: Apache-2.0" in capsys.readouterr().err
    assert [one.name for one in zoo.folder.parent.iterdir()] == ["toy"]


@pytest.mark.parametrize("does_parts", [True, False])
def test_what_was_interrupted_goes_on(shelf: Shelf, does_parts: bool, capsys) -> None:
    shelf.most_bytes, shelf.does_parts = 1000, does_parts
    assert fetch() == 1
    said = capsys.readouterr().err
    assert re.search(
        r"ended after 1000 of \d+ bytes; the same command goes on|IncompleteRead", said
    )
    shelf.most_bytes = len(shelf.content)
    assert fetch() == 0
    assert shelf.asked == ["", "bytes=1000-"]


def test_what_is_not_as_stated_is_thrown_away(shelf: Shelf, capsys) -> None:
    shelf.content = shelf.content[:-1] + bytes([shelf.content[-1] ^ 1])
    assert fetch() == 2
    assert "is not what its publisher states; it was thrown away" in capsys.readouterr().err
    shelf.content += b"more"
    assert fetch() == 2


def test_a_server_that_is_not_there_is_named(shelf: Shelf, monkeypatch, capsys) -> None:
    nowhere = PublicNetwork("http://127.0.0.1:9/toy.onnx", "0", 9, "yolov8")
    monkeypatch.setattr(command, "PUBLIC", {"toy": nowhere})
    assert fetch() == 1
    assert "http://127.0.0.1:9/toy.onnx: " in capsys.readouterr().err


def test_the_table_is_sound() -> None:
    for one in PUBLIC.values():
        assert re.fullmatch("[0-9a-f]{64}", one.sha256)
        assert one.address.startswith("https://")
        assert one.num_bytes > 10**6
