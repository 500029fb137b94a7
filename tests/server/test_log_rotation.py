"""A log that is a file stays small; nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from moonjelly.server.log import rotate_own_log


@pytest.mark.parametrize("flags", [0, os.O_APPEND])
def test_a_large_log_is_kept_beside_and_emptied_below_all_who_write_to_it(tmp_path, flags):
    path = tmp_path / "server.log"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | flags)
    try:
        for generation in (b"first\n", b"second\n"):
            os.write(descriptor, generation * 20)
            assert rotate_own_log(limit_bytes=50, descriptor=descriptor)
            assert (tmp_path / "server.log.1").read_bytes() == generation * 20
            assert path.read_bytes() == b""
        child = [sys.executable, "-c", "import os; os.write(1, b'a child\\n')"]
        subprocess.run(child, stdout=descriptor, check=True)
        os.write(descriptor, b"we\n")
    finally:
        os.close(descriptor)
    assert path.read_bytes() == b"a child\nwe\n"
    assert len([*tmp_path.iterdir()]) == 2


def test_a_small_log_a_pipe_and_a_file_without_a_name_are_left_alone(tmp_path):
    path = tmp_path / "server.log"
    with path.open("wb", buffering=0) as log:
        log.write(b"x" * 49)
        assert not rotate_own_log(limit_bytes=50, descriptor=log.fileno())
        log.write(b"xx")
        path.unlink()
        assert not rotate_own_log(limit_bytes=50, descriptor=log.fileno())
        path.write_bytes(b"another file of that name")
        assert not rotate_own_log(limit_bytes=50, descriptor=log.fileno())
        assert os.fstat(log.fileno()).st_size == 51
    reading, writing = os.pipe()
    assert not rotate_own_log(limit_bytes=0, descriptor=writing)
    os.close(reading)
    os.close(writing)


def test_a_log_that_cannot_be_kept_is_not_emptied(tmp_path, caplog):
    path = tmp_path / "server.log"
    (tmp_path / "server.log.1").mkdir()
    with path.open("wb", buffering=0) as log:
        log.write(b"x" * 100)
        assert not rotate_own_log(limit_bytes=50, descriptor=log.fileno())
    assert path.stat().st_size == 100
    assert "cannot be rotated" in caplog.text
