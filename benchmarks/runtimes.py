"""How long the shipped networks take on one core: torch, ONNX Runtime and OpenVINO in float32 and in int8, in turns in one run.

`python benchmarks/runtimes.py` prints a table and writes `benchmarks/results/runtimes.json`. The quietest third of the rounds counts,
of each cell alike.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from moonjelly.core.zoo import Runtime
from moonjelly.devices.executors.onnx_session import onnx_session
from moonjelly.devices.executors.session import Session
from moonjelly.devices.executors.torch_session import torch_session
from moonjelly.training.export import export_onnx
from moonjelly.vision.heads.cells import HEAD
from moonjelly.vision.preprocessing import decode_frame, encode_frame
from moonjelly.vision.scenes import Scene
from moonjelly.zoos import OpenedZoo, cpu_fingerprint, open_zoo, write_zoo_file

VARIANTS = ("traffic-n-160", "traffic-n-288", "traffic-n-416", "traffic-s-416", "traffic-s-608")
BATCHES = (1, 2, 4, 8)
RESULTS = Path(__file__).parent / "results" / "runtimes.json"


def exported(folder: Path) -> OpenedZoo:
    """The traffic zoo in float32 for ONNX Runtime."""
    shipped = open_zoo("traffic")
    networks = []
    for network in shipped.zoo.networks:
        path = folder / f"{network.name}.onnx"
        export_onnx(shipped, network, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        networks.append(
            replace(network, file=path.name, sha256=digest, runtime=Runtime.ONNX, head=HEAD.name)
        )
    write_zoo_file(folder, replace(shipped.zoo, networks=tuple(networks)))
    return open_zoo(f"{folder}/")


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    torch.set_num_threads(1)
    image = Scene(3, "test").frame(40).image
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        shipped, floats, int8 = (
            open_zoo("traffic"),
            exported(Path(folder)),
            open_zoo("traffic-int8"),
        )
        for name in VARIANTS:
            network, _, side = name.rpartition("-")
            sessions: dict[str, Session] = {
                "torch": torch_session(shipped, shipped.network_variant(name))
            }
            for precision, zoo in (("float32", floats), ("int8", int8)):
                one = zoo.network_variant(name if zoo is floats else f"{network}-int8-{side}")
                for runtime in (Runtime.ONNX, Runtime.OPENVINO):
                    run = replace(one, network=replace(one.network, runtime=runtime))
                    sessions[f"{runtime} {precision}"] = onnx_session(zoo, run)
            for batch_size in BATCHES:
                row: dict[str, object] = {"variant": name, "batch_size": batch_size}
                batches = {}
                for runtime, session in sessions.items():
                    batches[runtime] = session.places(batch_size)
                    picture = decode_frame(encode_frame(image, session.side_px), session.side_px)
                    for place in batches[runtime]:
                        session.write(picture.picture, place)
                took_ms: dict[str, list[float]] = {runtime: [] for runtime in sessions}
                for number in range(arguments.rounds + 1):
                    for runtime, session in sessions.items():
                        start_s = time.perf_counter()
                        session.answers(session.infer(batches[runtime]))
                        if number:
                            took_ms[runtime].append(1000 * (time.perf_counter() - start_s))
                quiet = max(1, arguments.rounds // 3)
                row |= {one: float(np.mean(sorted(each)[:quiet])) for one, each in took_ms.items()}
                rows.append(row)
                print(
                    f"| {name} | {batch_size} | "
                    + " | ".join(f"{row[one]:.1f}" for one in sessions)
                    + " | "
                    + " | ".join(f"{row['torch'] / row[one]:.2f}" for one in list(sessions)[1:])
                    + " |",
                    flush=True,
                )
    means = {
        one: float(np.exp(np.mean([np.log(row["torch"] / row[one]) for row in rows])))
        for one in list(rows[0])[3:]
    }
    print(f"geometric mean of the speed over torch's: {means}")
    facts = {
        "processor": cpu_fingerprint(1).processor,
        "kernel": platform.release(),
        "torch": version("torch"),
        "onnxruntime": version("onnxruntime"),
        "openvino": version("openvino"),
        "date": time.strftime("%Y-%m-%d"),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(
        json.dumps({"facts": facts, "means": means, "rows": rows}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
