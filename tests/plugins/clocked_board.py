"""`moonjelly profile --clocks` on a board that is a tree like the kernel's, at TREE; as a program: `clocked_board.py OPTION...`.

The governor is the real one, a process of its own. Batches take `(2 + n) ms` at the highest clock, longer as the clock is lower,
and the board draws `clock / 100 + n` W while they run, 2 W before.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from moonjelly.cli import main
from moonjelly.core.answers import Detections
from moonjelly.core.zoo import Fit
from moonjelly.devices.config import DeviceConfig, DeviceKind
from moonjelly.energy.devfreq import devfreq_clocks
from moonjelly.energy.ina3221 import ina3221_meter
from moonjelly.profiler import command, governed, windows
from moonjelly.profiler.batch_runner import BatchRunner
from moonjelly.server.governor import finding
from moonjelly.vision.fits import Fitted
from moonjelly.vision.preprocessing import encode_frame
from moonjelly.zoos import Fingerprint

BOARD = DeviceConfig("cuda0", "board", DeviceKind.CUDA, gpu=0)
FINGERPRINT = Fingerprint("a board", 1, "toy")
CHILD = Path(__file__).parents[1] / "server/governor/governed_child.py"
NODE = "class/devfreq/17000000.gv11b"
SENSOR = "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
CLOCKS_HZ = (114_750_000, 204_000_000, 803_250_000, 1_109_250_000)
IDLE_W = 2.0


def busy_w(mhz: float, size: int) -> float:
    return mhz / 100 + size


def took_ms(mhz: float, size: int) -> float:
    return (2 + size) * CLOCKS_HZ[-1] / 1e6 / mhz


def make_board(root: Path, *, has_meter: bool = True) -> None:
    """Writes the tree. What the GPU runs at is its most, as a kernel has it once a clock is held."""
    files = {
        f"{NODE}/available_frequencies": " ".join(map(str, CLOCKS_HZ)),
        f"{NODE}/min_freq": CLOCKS_HZ[0],
        f"{NODE}/max_freq": CLOCKS_HZ[-1],
    }
    if has_meter:
        files |= {f"{SENSOR}/in1_label": "VDD_IN", f"{SENSOR}/in1_input": 1000}
        files |= {f"{SENSOR}/curr1_input": round(IDLE_W * 1000)}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    (root / NODE / "cur_freq").symlink_to("max_freq")


def clocks(root: Path) -> tuple[str, ...]:
    return tuple((root / NODE / name).read_text().strip() for name in ("min_freq", "max_freq"))


class BoardExecutor:
    """Sleeps as long as a batch takes at the clock that is set, and says what the board draws."""

    needs_pictures = True
    depth = 1
    fit = Fit.STRETCH

    def __init__(self, root: Path) -> None:
        self.root = root

    def load(self, variant: str, max_batch_size: int) -> None:
        """Nothing is loaded."""

    def unload(self, variant: str) -> None:
        """Nothing is unloaded."""

    def prepare(self, fitted: Fitted) -> Fitted:
        return fitted

    def start(self, variant: str, inputs: Sequence[Fitted]) -> int:
        mhz, size = self.mhz(), len(inputs)
        meter = self.root / SENSOR / "curr1_input"
        if meter.exists():
            new = meter.with_name("new")
            new.write_text(f"{round(1000 * busy_w(mhz, size))}\n")
            new.replace(meter)
        time.sleep(took_ms(mhz, size) / 1000)
        return size

    def finish(self, running: int) -> list[Detections]:
        return [Detections.empty()] * running

    def close(self) -> None:
        """Nothing is open."""

    def mhz(self) -> float:
        while True:
            with suppress(ValueError):  # it is being written
                return int((self.root / NODE / "max_freq").read_text()) / 1e6


def make_runner(*_: Any) -> BatchRunner:
    frames = {32: [encode_frame(np.zeros((48, 64, 3), np.uint8), 32)] * 3}
    return BatchRunner(BoardExecutor(Path(os.environ["TREE"])), {"a-32": 32}, frames, 4)


def stand_in(put: Any, window_ms: float) -> None:
    """Puts the board in the place of this machine."""
    root = Path(os.environ["TREE"])
    put(command, "_devices", lambda texts: (BOARD,))
    put(command, "fingerprint_of", lambda device, zoo: FINGERPRINT)
    put(command, "open_runner", make_runner)
    put(finding, "devfreq_clocks", lambda: devfreq_clocks(root))
    put(finding, "ina3221_meter", lambda: ina3221_meter(root))
    put(finding, "cards", list)
    put(governed, "CHILD_COMMAND", (sys.executable, str(CHILD)))
    put(windows, "WINDOW_MS", window_ms)
    put(windows, "REST_MS", 50.0)
    put(windows, "LOAD_MS", 50.0)


if __name__ == "__main__":
    stand_in(setattr, float(os.environ["WINDOW_MS"]))
    sys.exit(main(["profile", *sys.argv[1:]]))
