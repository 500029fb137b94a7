"""Makes one run's logs of those of its hosts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ...core.records import FrameRecord
from ...files.csv_log import CsvLog, read_records
from ...live_run.load import read_load, worst_load, write_load
from ...reporting.run_folder import DETECTIONS_FILE, FRAMES_FILE, link_file
from .host import Host
from .port import Share

HOSTS_DIR = "hosts"


def host_folder(folder: Path, host: Host) -> Path:
    """What a client host has told of a run, in the run's folder."""
    return folder / HOSTS_DIR / host.name


def merge_logs(folder: Path, shares: Sequence[Share]) -> None:
    """Makes one run's logs of those of its client hosts.

    The times of each host count from when its own links began; only durations are compared.
    """
    places = [host_folder(folder, share.connection.host) for share in shares]
    with CsvLog(folder / FRAMES_FILE, FrameRecord) as log:
        for place in places:
            for record in read_records(place / FRAMES_FILE, FrameRecord):
                log.write(record)
    with (folder / DETECTIONS_FILE).open("wb") as whole:
        for place in places:
            with (place / DETECTIONS_FILE).open("rb") as part:
                shutil.copyfileobj(part, whole)
    for place, share in zip(places, shares, strict=True):
        for camera in share.cameras:
            (place / link_file(camera.stream_id)).replace(folder / link_file(camera.stream_id))
        for name in (FRAMES_FILE, DETECTIONS_FILE):
            (place / name).unlink()
    write_load(folder, worst_load(read_load(place) for place in places))
