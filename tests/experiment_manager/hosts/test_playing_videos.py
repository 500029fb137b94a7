"""What an agent does about videos of its cameras: it has the very file, or says why not."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from moonjelly.experiment_manager.hosts.agent import MODULE
from moonjelly.links.traces import constant_trace
from moonjelly.live_run.cameras import LiveCamera

PICTURES = 10


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "street.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for k in range(PICTURES):
            shade = np.full((48, 64, 3), 20 * k, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(shade, format="bgr24")))
        container.mux(track.encode(None))
    return path


def first_word(folder: Path, source: Path, sha256: str) -> dict[str, Any]:
    """What an agent says first that is asked to play a camera."""
    camera = LiveCamera("gate", str(source), 10.0, 200.0, constant_trace(5.0), 0.0)
    request = {
        "action": "play", "root": str(folder / "there"), "experiment": "cafe", "run": "one", "host": "street",
        "details": {
            "server": "127.0.0.1:1", "cameras": [dataclasses.asdict(camera)], "links": [""],
            "shaper": "relay", "video_digests": {str(source): sha256}, "sides_px": [32], "fit": "stretch",
            "seconds": 1, "seed": 0,
        },
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"XDG_CACHE_HOME": str(folder / "cache"), "PATH": "/usr/bin:/bin"},
    ) as agent:  # fmt: skip
        assert agent.stdin is not None
        assert agent.stdout is not None
        assert agent.stderr is not None
        agent.stdin.write(json.dumps(request) + "\n")
        agent.stdin.flush()
        said = json.loads(agent.stdout.readline())
        agent.stdin.close()  # the lease is lost: it ends
        assert "Traceback" not in agent.stderr.read()
    return dict(said)


def test_the_same_file_is_played_and_another_one_is_not(tmp_path: Path, clip: Path) -> None:
    from moonjelly.client.video_truth import digest_of

    assert first_word(tmp_path, clip, digest_of(clip))["event"] == "ready"
    said = first_word(tmp_path, clip, "0" * 64)
    assert said == {
        "event": "failed", "problem": f"source: {clip}: has other bytes here than there",
    }  # fmt: skip
    said = first_word(tmp_path, tmp_path / "gone.mp4", "0" * 64)
    assert said == {"event": "failed", "problem": f"source: {tmp_path}/gone.mp4: is not there"}
