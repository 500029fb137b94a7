"""`moonjelly zoo`: zoos of your own."""

from __future__ import annotations

import argparse
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..core.checks import echo
from ..core.errors import RunError, UsageError
from ..core.zoo import MAX_SIDE_PX, Colour, Fit, Runtime, Task
from ..devices.detecting import SessionOpener
from ..devices.gate import pass_gate
from ..files.progress import LEFT, PERCENT, progress_bar
from ..vision.classes import COCO_CLASSES
from ..vision.coco_file import write_coco
from ..zoos import Metric, OpenedZoo, open_zoo, read_variant_rows, zoo_folders
from .fetching import PUBLIC, fetch
from .golden import golden_of_video
from .importing import import_tables
from .labels import pictures_of, read_annotations, read_image
from .measuring import (
    NUM_QUALITY_VARIANTS,
    QUALITIES,
    Measurement,
    golden_truth,
    measure_qualities,
    measure_variants,
)
from .quantising import NUM_PICTURES, SUFFIX, quantise
from .taking_in import Taken, own_name, put, read_classes, take, taken_int8, zoo_folder

MAX_SIDES = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the commands of `moonjelly zoo`."""
    commands = parser.add_subparsers(dest="zoo_command", metavar="COMMAND", required=True)

    def add(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        child = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
        )
        child.set_defaults(run_zoo=run)
        return child

    adding = add("add", _add, "take detectors in, once they have shown that they can be believed")
    adding.add_argument(
        "files", nargs="+", type=Path, metavar="FILE",
        help="an ONNX file each, or Darknet's .cfg and behind it its weights",
    )  # fmt: skip
    adding.add_argument(
        "--name",
        metavar="NAME|FOLDER",
        help="of the zoo, new or your own (default: the file's; with -own where a shipped zoo has it)",
    )
    adding.add_argument(
        "--classes", metavar="FILE|coco", help="names of its classes, one in each line"
    )
    adding.add_argument("--layout", default="", help="of its outputs, where they leave a doubt")
    adding.add_argument(
        "--sides", type=_sides, default=(), metavar="SIDES",
        help="that a network of any side is served at, as in 320,416 or 128:608:32",
    )  # fmt: skip
    adding.add_argument(
        "--fit", choices=[str(one) for one in Fit], help="in place of its layout's usual one"
    )
    adding.add_argument("--colour", choices=[str(one) for one in Colour], help="likewise")
    adding.add_argument(
        "--scale", type=float, metavar="X", help="that pixels are divided by, likewise"
    )
    adding.add_argument(
        "--runtime", default=str(Runtime.ONNX),
        choices=[str(one) for one in Runtime if one is not Runtime.TORCH],
        help="onnx (the default), openvino, or auto: the faster one on each device",
    )  # fmt: skip
    fetching = add("fetch", _fetch, "get a public detector of COCO's classes, and take it in")
    fetching.add_argument(
        "network", choices=tuple(PUBLIC), metavar="NETWORK", help=f"one of {', '.join(PUBLIC)}"
    )
    fetching.add_argument(
        "--name", metavar="NAME|FOLDER", help="of the zoo (default: the network's)"
    )
    importing = add(
        "import", _import, "make a zoo to be replayed of tables as Jellyfish's profiler writes them"
    )
    importing.add_argument(
        "folder", type=Path, metavar="FOLDER", help="with accuracy.txt and profile_latency_SIDE.txt"
    )
    importing.add_argument(
        "--name", required=True, metavar="NAME|FOLDER", help="of the zoo, which is new"
    )
    importing.add_argument(
        "--device-type", default="gpu", metavar="TYPE",
        help="what the latencies are of, as in replayed:TYPE (%(default)s)",
    )  # fmt: skip
    golding = add(
        "golden", _golden, "write what a zoo's golden variant finds in each picture of a video"
    )
    golding.add_argument("video", type=Path, metavar="VIDEO", help="a video file")
    golding.add_argument("--zoo", default="traffic", metavar="NAME|FOLDER", help="(%(default)s)")
    golding.add_argument("--variant", default="", metavar="NAME", help="in place of the golden one")
    golding.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="(default: the video's name with .json, if there is none)",
    )
    add("list", _list, "list the zoos that can be called by their names")
    named = {
        "show": (_show, "show a zoo's variants and how accurate they are"),
        "check": (_check, "have a zoo's networks pass the gate once more"),
        "remove": (_remove, "remove a zoo of your own"),
        "measure": (_measure, "measure how accurate a zoo's variants are on your pictures"),
        "quantise": (_quantise, "make int8 networks of a zoo's, calibrated on your pictures"),
    }
    for name, (run, text) in named.items():
        child = add(name, run, text)
        child.add_argument("zoo", metavar="NAME|FOLDER")
        if name in ("measure", "quantise"):
            child.add_argument("--images", type=Path, required=True, metavar="DIR", help="pictures")
        if name == "measure":
            child.add_argument(
                "--annotations", type=Path, metavar="FILE", help="their labels, as COCO has them"
            )
            child.add_argument(
                "--against-golden", action="store_true",
                help="without labels: how well variants agree with the golden one",
            )  # fmt: skip
            child.add_argument(
                "--limit", type=_count, metavar="N", help="the first N pictures alone"
            )
            child.add_argument(
                "--qualities",
                action="store_true",
                help="what lower JPEG qualities cost and save, too",
            )


def run(arguments: argparse.Namespace) -> int:
    """Runs one of the commands; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        status: int = arguments.run_zoo(arguments)
    except OSError as error:  # files that are read are told where they are
        raise RunError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return status


def _add(arguments: argparse.Namespace) -> int:
    name = arguments.name or own_name(arguments.files[0])
    folder = zoo_folder(name)
    class_names = None if arguments.classes is None else read_classes(arguments.classes)
    kinds: dict[str, Callable[[Any], object]] = {"fit": Fit, "colour": Colour, "scale": float}
    given = {name: getattr(arguments, name) for name in kinds}
    wishes = {name: kinds[name](value) for name, value in given.items() if value is not None}
    runtime = Runtime(arguments.runtime)
    taken: list[Taken] = []
    files = iter(arguments.files)
    for path in files:
        if path.suffix == ".cfg":
            from .taking_darknet import take_darknet  # noqa: PLC0415 - torch takes seconds

            one = take_darknet(
                path, next(files, None), arguments.sides, class_names, wishes, runtime
            )
        else:
            one = take(path, arguments.layout, arguments.sides, class_names, wishes, runtime)
        taken.append(one)
    zoo = put(name, taken)
    console = _console()
    for one in taken:
        for note in one.notes:
            console.print(note)
    console.print(f"zoo {folder.name}: {', '.join(one.name for one in zoo.zoo.variants)}")
    console.print(f"next: moonjelly zoo measure {name} --images DIR --annotations FILE")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    network, name = PUBLIC[arguments.network], arguments.name or arguments.network
    folder, console = zoo_folder(name), _console()
    path = folder.parent / ".fetched" / f"{arguments.network}.onnx"
    with progress_bar(PERCENT, *LEFT, console=console) as progress:
        task = progress.add_task(f"fetching {arguments.network}", total=network.num_bytes)
        fetch(network, path, lambda count: progress.update(task, advance=count))
    taken = take(path, network.layout, (), COCO_CLASSES, network.wishes)
    put(name, [taken])
    shutil.rmtree(path.parent)
    for note in taken.notes:
        console.print(note)
    console.print(f"licence of its publisher: {network.licence}; from {network.address}")
    console.print(
        f"next: moonjelly zoo measure {name} --images DIR --annotations FILE, or --against-golden"
    )
    return 0


def _import(arguments: argparse.Namespace) -> int:
    zoo = import_tables(arguments.folder, arguments.name, arguments.device_type)
    console = _console()
    console.print(f"zoo {zoo.name}: {', '.join(one.name for one in zoo.zoo.variants)}")
    console.print(
        f"next: moonjelly serve --zoo {arguments.name} --devices replayed:{arguments.device_type}"
    )
    return 0


def _golden(arguments: argparse.Namespace) -> int:
    video: Path = arguments.video
    out: Path = arguments.out or video.with_suffix(".json")
    if arguments.out is None and out.exists():
        raise UsageError(f"{out}: is there already; --out FILE names another, or this one")
    with progress_bar("{task.completed:.0f} pictures", *LEFT, console=_console()) as progress:
        task = progress.add_task(f"looking at {video.name}", total=None)
        found = golden_of_video(
            video,
            open_zoo(arguments.zoo),
            arguments.variant,
            lambda number, total: progress.update(task, completed=number, total=total or None),
        )
    write_coco(out, found)
    num_boxes = sum(len(one.scores) for one in found.images)
    _console().print(f"{out}: {num_boxes} boxes in {len(found.images)} pictures")
    _console().print(f"next: moonjelly client --source {video} --truth {out}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    del arguments
    table = Table("zoo", "task", "networks", "variants", "measured", "folder", box=None)
    for name, folder in zoo_folders().items():
        try:
            zoo = open_zoo(name)
        except UsageError as error:
            table.add_row(name, f"broken: {error}")
            continue
        networks = ", ".join(one.name for one in zoo.zoo.networks)
        measured = "yes" if zoo.variants_path.exists() else "no"
        table.add_row(
            name, zoo.zoo.task, networks, str(len(zoo.zoo.variants)), measured, str(folder)
        )
    _page().print(table)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    zoo = open_zoo(arguments.zoo)
    measured = {}
    if zoo.variants_path.exists():
        measured = {row.variant: row for row in read_variant_rows(zoo.variants_path)}
    console = _page()
    names = zoo.zoo.class_names
    shown = ", ".join(names[:8]) + (f" ... {len(names)} in all" if len(names) > 8 else "")  # noqa: PLR2004
    console.print(f"{zoo.name}: {zoo.zoo.task} of {shown}", highlight=False)
    console.print(f"folder {zoo.folder}", highlight=False)
    table = Table(
        "variant", "runtime", "head", "fit", "most at once", "accuracy", "frame, kbit", box=None
    )
    for one in zoo.zoo.variants:
        row, network = measured.get(one.name), one.network
        table.add_row(
            one.name,
            network.runtime,
            network.head,
            network.input.fit,
            str(network.max_batch_size or "any"),
            "not measured" if row is None else f"{row.metric} {row.map:.3f}",
            "" if row is None else f"{row.frame_kbits:.0f}",
        )
    console.print(table)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    zoo = open_zoo(arguments.zoo)
    console, open_session = _console(), SessionOpener(zoo)
    for variant in zoo.zoo.variants:
        for note in pass_gate(variant.name, open_session(variant.name), zoo.zoo.fit):
            console.print(note)
        console.print(f"{variant.name}: can be believed")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    folder = zoo_folder(arguments.zoo)
    if not folder.exists():
        raise UsageError(f"zoo={echo(arguments.zoo)}: is not there")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise RunError(f"{folder}: cannot be removed: {error.strerror}") from None
    _console().print(f"removed {folder}")
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    zoo_folder(arguments.zoo)  # it has to be the user's own, or called by its folder
    zoo, console = open_zoo(arguments.zoo), _console()
    if (arguments.annotations is None) == (not arguments.against_golden):
        raise UsageError("measure: must have either --annotations FILE or --against-golden")
    num_variants = len(zoo.zoo.variants)
    with progress_bar(PERCENT, *LEFT, console=console) as progress:
        task = progress.add_task("measuring", total=None)

        def seen(name: str) -> None:
            progress.update(task, description=f"measuring {name}", advance=1)

        measurement = _measurement(arguments, zoo, console, seen)
        num_pictures = len(measurement.pictures)
        progress.reset(task, total=num_variants * num_pictures)
        rows = measure_variants(zoo, measurement, seen)
        if arguments.qualities:
            num_picked = min(num_variants, NUM_QUALITY_VARIANTS)
            progress.reset(task, total=num_picked * (1 + len(QUALITIES)) * num_pictures)
            measure_qualities(zoo, measurement, seen)
    for row in sorted(rows, key=lambda one: one.map):
        console.print(
            f"{row.variant}: {measurement.metric} {row.map:.3f}, {row.frame_kbits:.0f} kbit a frame"
        )
    console.print(f"wrote {zoo.variants_path}; next: moonjelly serve --zoo {arguments.zoo}")
    return 0


def _quantise(arguments: argparse.Namespace) -> int:
    zoo_folder(arguments.zoo)  # it has to be the user's own
    zoo, console = open_zoo(arguments.zoo), _console()
    floats = [
        one
        for one in zoo.zoo.networks
        if one.runtime is not Runtime.TORCH and not one.name.endswith(SUFFIX)
    ]
    if not floats:
        raise UsageError(f"zoo={echo(arguments.zoo)}: has no float ONNX network to quantise")
    paths = pictures_of(arguments.images)
    picked = sorted({len(paths) * k // NUM_PICTURES for k in range(NUM_PICTURES)})
    pictures = [read_image(paths[number]) for number in picked]
    with progress_bar(PERCENT, *LEFT, console=console) as progress:
        task = progress.add_task("quantising", total=len(floats))
        made: list[Taken] = []
        for network in floats:
            progress.update(task, description=f"quantising {network.name}")
            made.append(
                taken_int8(zoo, network, quantise(zoo.read_weights(network), network, pictures))
            )
            progress.update(task, advance=1)
    for one in put(arguments.zoo, made).zoo.variants:
        if one.network.name.endswith(SUFFIX):
            console.print(f"{one.name}: can be believed")
    console.print(f"next: moonjelly zoo measure {arguments.zoo} --images DIR --annotations FILE")
    return 0


def _measurement(
    arguments: argparse.Namespace, zoo: OpenedZoo, console: Console, seen: Callable[[str], None]
) -> Measurement:
    images: Path = arguments.images
    if arguments.against_golden:
        paths = pictures_of(images, arguments.limit)
        golden = zoo.zoo.golden_variant.name
        source = f"agreement with {golden} on {len(paths)} pictures of {images.name}"
        return Measurement(tuple(golden_truth(zoo, paths, seen)), Metric.AGREEMENT, source)
    annotations: Path = arguments.annotations
    pictures, notes = read_annotations(annotations, images, zoo.zoo.class_names, arguments.limit)
    for note in notes:
        console.print(f"{annotations}: {note}")
    source = f"{len(pictures)} pictures of {images.name}, labels of {annotations.name}"
    metric = Metric.MAP if zoo.zoo.task is Task.DETECTION else Metric.TOP1
    return Measurement(tuple(pictures), metric, source)


def _page() -> Console:
    """What is read, by people or by programs, whose lines are as long as they need."""
    console = Console()
    return console if console.is_terminal else Console(width=10_000)


def _console() -> Console:
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 10**7:
        raise argparse.ArgumentTypeError(f"{echo(text)}: must be a whole number from 1")
    return int(text)


def _sides(text: str) -> tuple[int, ...]:
    """Sides as in `320,416`, or from, to and step as in `128:608:32`."""
    sides: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,4})(?::([0-9]{1,4}):([0-9]{1,4}))?", part)
        if match is None or match[3] == "0":
            raise argparse.ArgumentTypeError(f"{echo(text)}: must be like 320,416 or 128:608:32")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        sides.update(range(first, last + 1, step))
    if not sides or min(sides) < 1 or max(sides) > MAX_SIDE_PX or len(sides) > MAX_SIDES:
        raise argparse.ArgumentTypeError(
            f"{echo(text)}: must be 1 to {MAX_SIDES} sides from 1 to {MAX_SIDE_PX}"
        )
    return tuple(sorted(sides))
