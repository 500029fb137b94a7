"""A zoo as a folder: its file, its weights, its tables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from ..core.checks import echo, require_id
from ..core.errors import RunError, UsageError
from ..core.quality import JpegQuality
from ..core.variant import Variant
from ..core.zoo import Network, NetworkVariant, Runtime, Zoo
from ..files.shipped import shipped_folder
from ..files.table import read_table
from .homes import user_folder
from .qualities import load_qualities
from .variants import COLUMNS, load_variants
from .zoo_file import ZOO_FILE, read_zoo_file

DIGEST_CHARS = 12
LIBRARIES = {
    Runtime.TORCH: "torch",
    Runtime.ONNX: "onnxruntime",
    Runtime.OPENVINO: "openvino",
}


class WeightsError(RunError):
    """Weights cannot be used: they are missing, cut short, changed, or of another network."""


@dataclass(frozen=True)
class OpenedZoo:
    """A zoo's networks, and the folder that its files lie in.

    Attributes:
        folder: where.
        zoo: what its `zoo.yaml` says.
    """

    folder: Path
    zoo: Zoo

    @property
    def name(self) -> str:
        """That of the folder."""
        return self.zoo.name

    @property
    def variants_path(self) -> Path:
        """Its `variants.csv`."""
        return self.folder / "variants.csv"

    @property
    def qualities_path(self) -> Path:
        """Its `qualities.csv`, which need not be there."""
        return self.folder / "qualities.csv"

    def latency_path(self, device_type: str) -> Path:
        """The latency profile that comes with it, which need not be there."""
        return self.folder / f"latency-{device_type}.csv"

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Its variants as planning takes them, least accurate first: those that were measured.

        Raises:
            UsageError: if none was, or the table is broken.
        """
        if not self.variants_path.exists():
            raise UsageError(
                f"zoo {self.name}: has not been measured; `moonjelly zoo measure` tells how accurate it is"
            )
        measured = read_table(self.variants_path, COLUMNS).notes.get("weights", self.digest)
        if measured != self.digest:
            raise UsageError(
                f"{self.variants_path}: was measured with other networks, or with these read otherwise; `moonjelly zoo measure` measures anew"
            )
        variants = load_variants(self.variants_path)
        known = {one.name: one.side_px for one in self.zoo.variants}
        for one in variants:
            if known.get(one.name) != one.input_side_px:
                raise UsageError(
                    f"{self.variants_path}: variant {one.name} of side {one.input_side_px} is none of {ZOO_FILE}"
                )
        return variants

    @cached_property
    def qualities(self) -> tuple[JpegQuality, ...]:
        """The JPEG qualities below the usual whose effect is known; UsageError if the table is broken."""
        return load_qualities(self.qualities_path)

    def network_variant(self, name: str) -> NetworkVariant:
        """The network and side of a variant.

        Raises:
            UsageError: if the zoo has none of this name.
        """
        found = {one.name: one for one in self.zoo.variants}
        if name not in found:
            raise UsageError(f"variant {echo(name)}: zoo {self.name} has {', '.join(found)}")
        return found[name]

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages that run its networks."""
        asked = {one.runtime for one in self.zoo.networks}
        if Runtime.AUTO in asked:
            asked |= set(onnx_runtimes())
        return tuple(sorted(LIBRARIES[one] for one in asked - {Runtime.AUTO}))

    @property
    def digest(self) -> str:
        """A short hash of all weights that its file names, and of how they are read; empty where there are none."""
        lines = sorted(
            " ".join(map(str, (one.name, one.sha256, one.head, *astuple(one.input))))
            for one in self.zoo.networks
            if one.sha256
        )
        text = "\n".join(lines).encode()
        return hashlib.sha256(text).hexdigest()[:DIGEST_CHARS] if lines else ""

    def run_with(self, runtimes: Mapping[str, Runtime]) -> OpenedZoo:
        """The same zoo with the choice that was made for some of its networks, by name."""
        networks = [
            replace(one, runtime=runtimes.get(one.name, one.runtime)) for one in self.zoo.networks
        ]
        return OpenedZoo(self.folder, replace(self.zoo, networks=tuple(networks)))

    def read_weights(self, network: Network) -> bytes:
        """The content of a network's file, once its hash is right.

        Raises:
            WeightsError: if the file is not there, or not what `zoo.yaml` says.
        """
        path = self.folder / network.file
        if not network.file:
            raise WeightsError(
                f"{self.folder / ZOO_FILE}: network {network.name} has no file; it can be replayed alone"
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != network.sha256:
            raise WeightsError(
                f"{path}: has changed since it was taken into the zoo: its SHA-256 is {digest}, {ZOO_FILE} says {network.sha256}"
            )
        return content


def onnx_runtimes() -> tuple[Runtime, ...]:
    """Those for ONNX files that are installed; ONNX Runtime is always."""
    has_openvino = find_spec(LIBRARIES[Runtime.OPENVINO]) is not None
    return (Runtime.ONNX, Runtime.OPENVINO) if has_openvino else (Runtime.ONNX,)


def user_zoos_dir() -> Path:
    """Where a user's own zoos lie: `$XDG_DATA_HOME/moonjelly/zoos`, or below `~/.local/share`.

    Raises:
        RunError: if there is no such place.
    """
    data = user_folder("XDG_DATA_HOME", ".local/share")
    if data is None:
        raise RunError("XDG_DATA_HOME: must name a folder, for zoos of your own")
    return data / "moonjelly" / "zoos"


def zoo_folders() -> dict[str, Path]:
    """The zoos that can be called by their names, shipped ones first; a user's does not take a shipped one's name."""
    found: dict[str, Path] = {}
    places = [shipped_folder("profiles")]
    with suppress(RunError):
        places.append(user_zoos_dir())
    for place in places:
        with suppress(OSError):
            for one in sorted(place.iterdir()):
                with suppress(OSError):  # one that cannot be read does not hide others
                    if (one / ZOO_FILE).is_file():
                        found.setdefault(one.name, one)
    return found


def is_folder(zoo: str) -> bool:
    """Whether a zoo is called by its folder."""
    return os.sep in zoo or zoo in (os.curdir, os.pardir)


def zoo_beside(zoo: str, file: Path) -> str:
    """A zoo as a file names it: folders count from the file's own."""
    return f"{(file.parent / zoo).absolute()}" if is_folder(zoo) else zoo


def open_zoo(zoo: str) -> OpenedZoo:
    """Opens a zoo by its name, or by its folder where there is a `/` in the text.

    Raises:
        UsageError: if there is none, or its file is broken.
    """
    if is_folder(zoo):
        try:
            folder = Path(zoo).resolve(strict=True)
            has_file = (folder / ZOO_FILE).exists()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "is a loop of links, or no path"
            raise UsageError(f"zoo={echo(zoo)}: {reason}") from None
        if not has_file:
            raise UsageError(f"zoo={echo(zoo)}: the folder holds no {ZOO_FILE}")
    else:
        try:
            require_id("zoo", zoo)
        except ValueError as error:
            raise UsageError(str(error)) from None
        known = zoo_folders()
        if zoo not in known:
            raise UsageError(
                f"zoo={echo(zoo)}: must be a folder with {ZOO_FILE}, or one of {', '.join(known)}"
            )
        folder = known[zoo]
    return OpenedZoo(folder, read_zoo_file(folder))
