"""Takes networks into a zoo of the user's: recognises them, has them pass the gate, and writes the folder."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.checks import echo, require_id
from ..core.errors import RunError, UsageError
from ..core.zoo import Network, Runtime, Task, Zoo
from ..devices.executors.onnx_session import OnnxSession, OrtModel, load_onnx, load_with
from ..devices.executors.session import in_one_line
from ..devices.gate import gate_pictures, pass_gate
from ..files.text_file import read_text
from ..files.whole_file import whole_file
from ..vision.classes import COCO_CLASSES
from ..vision.heads import yolox
from ..vision.heads.recognition import SIZES_INPUT, NetworkFacts, Recognised, TensorFacts, recognise
from ..zoos import (
    AUTO,
    OpenedZoo,
    is_folder,
    onnx_runtimes,
    open_zoo,
    read_zoo_file,
    user_zoos_dir,
    write_zoo_file,
    zoo_folders,
)
from .onnx_file import OnnxFile, read_onnx
from .quantising import SUFFIX

MAX_CLASSES_BYTES = 1024 * 1024
_MAX_NAME = 48  # so that a side fits behind it


@dataclass(frozen=True, slots=True)
class Taken:
    """A network that has passed the gate, with its file's content and what its user should know."""

    network: Network
    content: bytes
    task: Task
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def read_classes(text: str) -> tuple[str, ...]:
    """The class names of a file, one in each line; or COCO's, for `coco`.

    Raises:
        UsageError: if there are none, or one is there twice.
    """
    if text == "coco":
        return COCO_CLASSES
    lines = read_text(Path(text), MAX_CLASSES_BYTES).splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 10**4 else []
    if not names or twice:
        rule = f"{echo(twice[0])} is there twice" if twice else "holds no class"
        raise UsageError(f"--classes {text}: {rule}; must have a name in each line")
    return names


def take(
    path: Path,
    layout: str,
    sides_px: Sequence[int],
    class_names: Sequence[str] | None,
    wishes: Mapping[str, Any],
    runtime: Runtime = Runtime.ONNX,
) -> Taken:
    """Reads a network and has it pass the gate at each side, with each library that may run it.

    Args:
        path: an ONNX file.
        layout: of its outputs, where they leave a doubt; else empty.
        sides_px: that it is to be served at; none for the one that it takes.
        class_names: by class id; None for those in the file.
        wishes: fields of its input format that are not as its layout usually has them.
        runtime: what is to run it.

    Raises:
        UsageError: naming the file, what is wrong, and what can be done.
    """
    file = read_onnx(path)
    try:
        model = load_onnx(file.content)
    except RunError as error:
        raise UsageError(f"{path}: {error}; export it again, for instance with opset 17") from None
    sides_px = _sides(path, file, sides_px)
    found = recognise(
        str(path),
        _as_run(path, model, file.facts, sides_px[0]),
        layout,
        None if class_names is None else len(class_names),
    )
    names = _names(path, found, class_names)
    try:
        form = replace(found.input, **wishes)
    except ValueError as error:
        raise UsageError(f"{path}: --{error}") from None
    network = Network(
        name=network_name(path),
        sides_px=tuple(sides_px),
        file=f"{network_name(path)}.onnx",
        sha256=hashlib.sha256(file.content).hexdigest(),
        runtime=runtime,
        head=found.head,
        input=form,
        max_batch_size=found.max_batch_size,
    )
    if found.needs_trial:
        network = replace(network, head=_told_head(model, network))
    notes = [f"{path}: is {found.layout} at {', '.join(map(str, sides_px))} px"]
    if network.max_batch_size == 1:
        notes.append(
            f"{path}: takes one picture at a time, and is planned so; a dynamic batch serves more streams"
        )
    for one in onnx_runtimes() if runtime is Runtime.AUTO else (runtime,):
        for side_px in sides_px:
            try:
                loaded = load_with(one, file.content, side_px)
            except RunError as error:
                raise UsageError(f"{path}: {error}") from None
            notes += pass_gate(str(path), OnnxSession(network, side_px, loaded), network.input.fit)
    return Taken(network, file.content, found.task, names, tuple(dict.fromkeys(notes)))


def taken_int8(zoo: OpenedZoo, network: Network, content: bytes) -> Taken:
    """Has an int8 network, made of one of a zoo, pass the gate; UsageError if it does not."""
    name = f"{network.name}{SUFFIX}"
    digest = hashlib.sha256(content).hexdigest()
    made = replace(network, name=name, file=f"{name}.onnx", sha256=digest)
    model = load_onnx(content)
    notes: list[str] = []
    for side_px in made.sides_px:
        notes += pass_gate(name, OnnxSession(made, side_px, model), made.input.fit)
    return Taken(made, content, zoo.zoo.task, zoo.zoo.class_names, tuple(notes))


def put(name: str, taken: Sequence[Taken]) -> OpenedZoo:
    """Makes a zoo of networks, or puts them into one that is there; whole or not at all.

    Raises:
        UsageError: if they do not go together, or the zoo is not the user's.
        RunError: if its folder cannot be written.
    """
    folder = zoo_folder(name)
    networks = {one.network.name: one.network for one in taken}
    if len(networks) < len(taken):
        raise UsageError("two files of one name: give them names that differ")
    there = read_zoo_file(folder) if folder.exists() else None
    if there is not None:
        networks = {one.name: one for one in there.networks} | networks
    known = there or taken[0]
    for one in taken:
        if (one.task, one.class_names) != (known.task, known.class_names):
            raise UsageError(
                f"{one.network.name}: has other classes than zoo {folder.name}; make a zoo of its own with --name"
            )
    golden = "" if there is None else there.golden
    try:
        zoo = Zoo(folder.name, known.task, known.class_names, tuple(networks.values()), golden)
    except ValueError as error:
        raise UsageError(f"zoo {folder.name}: {error}") from None
    try:
        _write(folder, zoo, taken)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}") from None
    return open_zoo(f"{folder}/")


def own_name(path: Path) -> str:
    """What a zoo is called that is made of a file and given no name."""
    name = network_name(path)
    is_shipped = zoo_folders().get(name, user_zoos_dir() / name).parent != user_zoos_dir()
    return f"{name}-own" if is_shipped else name


def zoo_folder(name: str) -> Path:
    """Where a zoo of the user's lies, there or not.

    Raises:
        UsageError: if the name is none, or a shipped zoo's.
    """
    if is_folder(name):
        path = Path(name)
        try:
            folder = path.resolve()
            require_id("name", folder.name)
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"zoo={echo(name)}: must be a folder: {error}") from None
    else:
        try:
            require_id("zoo", name)
        except ValueError as error:
            raise UsageError(f"{error}") from None
        if name == AUTO:
            raise UsageError(
                f"zoo={name}: stands for the zoo that suits a machine; choose another name"
            )
        folder = user_zoos_dir() / name
        if zoo_folders().get(name, folder) != folder:
            raise UsageError(
                f"zoo={name}: comes with the program and stays as it is; choose another name"
            )
    if folder.exists() and not (folder / "zoo.yaml").exists():
        raise UsageError(f"{folder}: is there, and no zoo")
    return folder


def _write(folder: Path, zoo: Zoo, taken: Sequence[Taken]) -> None:
    """Files first, `zoo.yaml` last; a new folder takes its name when all is there."""
    if folder.exists():
        for one in taken:
            with whole_file(folder / one.network.file) as draft:
                draft.write_bytes(one.content)
        write_zoo_file(folder, zoo)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        for one in taken:
            (made / one.network.file).write_bytes(one.content)
        write_zoo_file(made, zoo)
        shutil.move(made, folder)


def _sides(path: Path, file: OnnxFile, wanted: Sequence[int]) -> Sequence[int]:
    """The sides to serve: those that are wanted, or the one that the file takes."""
    pictures = [one.shape for one in file.facts.inputs if len(one.shape) == 4]  # noqa: PLR2004
    lengths = {one for shape in pictures for one in shape[1:] if one not in (3, None)}
    fixed = lengths.pop() if len(lengths) == 1 else None
    if fixed is not None:
        if wanted and list(wanted) != [fixed]:
            raise UsageError(
                f"{path}: takes side {fixed} alone: leave --sides out, or export it again"
            )
        return [fixed]
    if not wanted and not lengths:
        raise UsageError(f"{path}: takes any side: say which to serve, as in --sides 320,416")
    return list(wanted) or sorted(lengths)


def _as_run(path: Path, model: OrtModel, facts: NetworkFacts, side_px: int) -> NetworkFacts:
    """The facts with the shapes that outputs have for one picture of a side; those in the file leave much open."""
    feeds: dict[str, np.ndarray] = {}
    for one in facts.inputs:
        if one.name == SIZES_INPUT:
            feeds[one.name] = np.full((1, 2), side_px, np.int64)
        elif len(one.shape) == 4:  # noqa: PLR2004
            shape = [1, *(length or side_px for length in one.shape[1:])]
            if one.shape[1] is None and one.shape[3] is None:
                shape[1] = 3
            feeds[one.name] = np.zeros(shape, one.dtype if one.dtype != "no tensor" else "float32")
    if len(feeds) < len(facts.inputs) or any(
        one.shape[:1] not in ((1,), (None,)) for one in facts.inputs
    ):
        return facts  # recognition says what is wrong with it
    try:
        found = model.run(feeds)
    except Exception as error:  # whatever the library fails with
        raise UsageError(
            f"{path}: cannot run a picture of {side_px} x {side_px}: {in_one_line(error)}"
        ) from error
    outputs = tuple(
        TensorFacts(one.name, found[one.name].shape, str(found[one.name].dtype))
        for one in facts.outputs
    )
    return replace(facts, outputs=outputs)


def _names(path: Path, found: Recognised, class_names: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(class_names) if class_names is not None else found.class_names
    if names is None:
        count = "" if found.num_classes is None else f" of its {found.num_classes} classes"
        raise UsageError(
            f"{path}: does not say the names{count}: give --classes FILE, or --classes coco"
        )
    if found.num_classes is not None and len(names) != found.num_classes:
        raise UsageError(f"{path}: has {found.num_classes} classes, --classes names {len(names)}")
    return names


def _told_head(model: OrtModel, network: Network) -> str:
    """Which of YOLOX's two a network has, told by what it says of a picture."""
    head = OnnxSession(network, network.sides_px[0], model)
    batch = head.places(1)
    head.write(gate_pictures(head.side_px, network.input.fit)[0], batch[0])
    return yolox.tell(head.infer(batch), head.side_px).name


def network_name(path: Path) -> str:
    """A network's name: the file's, in letters that names may have."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip(".-_")[:_MAX_NAME]
    if not name or not name[0].isalnum():
        raise UsageError(f"{path}: needs a file name of letters and digits")
    return name
