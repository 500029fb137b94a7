"""Makes the shipped int8 zoo of the shipped float one: `python -m moonjelly.training.quantising`.

`moonjelly zoo measure` then tells how accurate it is.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

from ..core.zoo import Network, Runtime, Zoo
from ..vision.heads.cells import HEAD
from ..vision.scenes import Scene
from ..zoo_tool.quantising import NUM_PICTURES, SUFFIX, quantise
from ..zoos import open_zoo, write_zoo_file
from .export import export_onnx

FIRST_SEED, FRAME_STEP = 1000, 31  # training scenes that the networks have not seen


def main(arguments: list[str] | None = None) -> None:
    """Exports and quantises both networks of the traffic zoo."""
    shipped = open_zoo("traffic")
    folder = shipped.folder.with_name(f"{shipped.name}{SUFFIX}")
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--output", type=Path, default=folder, metavar="DIR")
    output: Path = parser.parse_args(arguments).output
    output.mkdir(parents=True, exist_ok=True)
    scenes = (Scene(FIRST_SEED + k, "train") for k in range(NUM_PICTURES))
    pictures = [scene.frame(40 + FRAME_STEP * k).image for k, scene in enumerate(scenes)]
    made: list[Network] = []
    for network in shipped.zoo.networks:
        with tempfile.TemporaryDirectory() as temporary:
            exported = Path(temporary, f"{network.name}.onnx")
            export_onnx(shipped, network, exported)
            content = quantise(exported.read_bytes(), network, pictures)
        name = f"{network.name}{SUFFIX}"
        (output / f"{name}.onnx").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        made.append(
            replace(
                network,
                name=name,
                file=f"{name}.onnx",
                sha256=digest,
                runtime=Runtime.ONNX,
                head=HEAD.name,
            )
        )
    zoo = shipped.zoo
    write_zoo_file(output, Zoo(output.name, zoo.task, zoo.class_names, tuple(made)))


if __name__ == "__main__":
    main()
