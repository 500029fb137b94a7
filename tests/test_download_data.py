"""`download_data.sh` against a local HTTP server."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

SCRIPT = Path(__file__).parents[1] / "download_data.sh"
CONTENT = b"12.5\n" * 400


class _ResumingHandler(SimpleHTTPRequestHandler):
    """Serves one file, honours `Range: bytes=N-`, and remembers what was asked for."""

    ranges: ClassVar[list[str | None]] = []
    can_resume: ClassVar[bool] = True

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.ranges.append(wanted)
        if not self.can_resume:
            wanted = None
        if not self.path.endswith("/trace.txt"):
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    _ResumingHandler.ranges = []
    _ResumingHandler.can_resume = True
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_ResumingHandler))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(folder: Path, row: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    manifest = folder / "manifest"
    manifest.write_text(row + "\n")
    return subprocess.run(
        [SCRIPT, "--manifest", manifest, "--to", folder / "data", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def row(url: str, content: bytes = CONTENT, name: str = "traces/trace.txt") -> str:
    return f"{name} | sha256 | {hashlib.sha256(content).hexdigest()} | {url}/trace.txt"


def test_every_file_of_the_list_has_a_command_that_reads_it() -> None:
    listed = subprocess.run([SCRIPT, "--list"], capture_output=True, text=True, check=True)
    lines = listed.stdout.splitlines()
    assert len(lines) == 2 * len([line for line in lines if "  http" in line]) > 0
    for text in {line.partition("read by: ")[2] for line in lines[1::2]}:
        commands = re.findall(r"moonjelly ((?:[a-z]+ ?)+)((?:[^;,]*--[a-z]+)?)", text)
        assert commands
        for words, option in commands:
            shown = subprocess.run(
                [sys.executable, "-m", "moonjelly", *words.split(), "--help"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            assert option.split(" ")[-1] in shown.stdout


def test_a_file_arrives_whole_and_is_not_fetched_twice(tmp_path: Path, url: str) -> None:
    assert run(tmp_path, row(url)).returncode == 0
    assert (tmp_path / "data/traces/trace.txt").read_bytes() == CONTENT
    again = run(tmp_path, row(url))
    assert again.returncode == 0
    assert "have it" in again.stdout
    assert len(_ResumingHandler.ranges) == 1


def test_a_partial_file_is_resumed(tmp_path: Path, url: str) -> None:
    partial_file = tmp_path / "data/traces/trace.txt.part"
    partial_file.parent.mkdir(parents=True)
    partial_file.write_bytes(CONTENT[:700])
    assert run(tmp_path, row(url)).returncode == 0
    assert (tmp_path / "data/traces/trace.txt").read_bytes() == CONTENT
    assert _ResumingHandler.ranges == ["bytes=700-"]


def test_a_file_that_was_whole_when_the_script_was_killed_is_taken(
    tmp_path: Path, url: str
) -> None:
    whole = tmp_path / "data/traces/trace.txt.part"
    whole.parent.mkdir(parents=True)
    whole.write_bytes(CONTENT)
    assert run(tmp_path, row(url)).returncode == 0
    assert (tmp_path / "data/traces/trace.txt").read_bytes() == CONTENT
    assert _ResumingHandler.ranges == []


def test_a_server_that_cannot_resume_is_asked_for_the_whole_file(tmp_path: Path, url: str) -> None:
    _ResumingHandler.can_resume = False
    partial_file = tmp_path / "data/traces/trace.txt.part"
    partial_file.parent.mkdir(parents=True)
    partial_file.write_bytes(CONTENT[:700])
    assert run(tmp_path, row(url)).returncode == 0
    assert (tmp_path / "data/traces/trace.txt").read_bytes() == CONTENT
    assert _ResumingHandler.ranges == ["bytes=700-", None]


def test_the_first_digits_of_a_checksum_do_where_the_publisher_tells_no_more(
    tmp_path: Path, url: str
) -> None:
    digits = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert run(tmp_path, f"a.pth | sha256 | {digits} | {url}/trace.txt").returncode == 0
    other = "0" * 8
    assert run(tmp_path, f"b.pth | sha256 | {other} | {url}/trace.txt").returncode == 1
    refused = run(tmp_path, f"c.pth | sha256 | {digits[:7]} | {url}/trace.txt")
    assert refused.returncode == 2
    assert "is not 8 to 64 digits" in refused.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["a.pth"]


def test_a_wrong_checksum_leaves_nothing_and_fails(tmp_path: Path, url: str) -> None:
    result = run(tmp_path, row(url, content=b"something else"))
    assert result.returncode == 1
    assert "not the file we know" in result.stderr
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_a_file_that_is_gone_is_named_with_its_address(tmp_path: Path, url: str) -> None:
    result = run(tmp_path, row(url).replace("/trace.txt", "/gone.txt"))
    assert result.returncode == 1
    assert f"could not be fetched from {url}/gone.txt" in result.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("../outside", [], "stays inside the target folder"),
        ("traces/trace.txt", ["videos"], "no such name: videos"),
        ("traces/trace.txt", ["--speed"], "--speed: unknown option"),
    ],
)
def test_a_wrong_request_exits_2_and_says_why(
    tmp_path: Path, url: str, name: str, arguments: list[str], message: str
) -> None:
    result = run(tmp_path, row(url, name=name), *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert _ResumingHandler.ranges == []
