"""`moonjelly simulate capacity`: how many streams some devices take, which devices some streams need."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace

from ..core.checks import echo, require_not_negative, require_positive
from ..core.errors import UsageError
from ..links.traces import constant_trace
from .capacity import (
    can_be_planned,
    fewest_devices,
    largest_that_holds,
    with_devices,
    with_more_streams,
)
from .capacity_trials import CapacityAnswer, capacity_trials, in_words
from .options import add_scenario, scenario_of
from .scenario import Scenario, SimulatedStream, StreamKind
from .scenario_file import read_scenario, read_stream_kinds

DEFAULT_TARGET_RATIO = 0.99
DEFAULT_MOST = 10_000
NEW_KIND = "stream"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    add_scenario(parser)
    parser.add_argument(
        "--like", metavar="NAME", help="how many more streams of this kind of the scenario fit"
    )
    parser.add_argument("--fps", type=float, help="frame rate of the further streams")
    parser.add_argument("--slo-ms", type=float, help="their bound on capture to answer")
    parser.add_argument("--mbps", type=float, help="rate of their links")
    parser.add_argument("--wire-ms", type=float, help="one-way delay of their links")
    parser.add_argument(
        "--devices",
        metavar="TYPE=MOST,...",
        help="which of these devices, fewest in all, the scenario's streams need",
    )
    parser.add_argument(
        "--target",
        type=float,
        default=DEFAULT_TARGET_RATIO,
        metavar="RATIO",
        help="share of all frames that must be in time; default: %(default)s",
    )
    parser.add_argument(
        "--most",
        type=int,
        default=DEFAULT_MOST,
        metavar="N",
        help="of the further streams, at most this many are looked for; default: %(default)s",
    )
    parser.add_argument("--seconds", type=float, help="length of each run, not the scenario's")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Answers one question; 1 if not even the most favourable case reaches the target."""
    try:
        require_positive("--target", arguments.target, 1)
        require_not_negative("--most", arguments.most, DEFAULT_MOST)
        if arguments.seconds is not None:
            require_positive("--seconds", arguments.seconds)
    except ValueError as error:
        raise UsageError(str(error)) from None
    asks_for_devices = arguments.devices is not None
    if asks_for_devices:
        for name in ("like", "fps", "slo_ms", "mbps", "wire_ms"):
            if getattr(arguments, name) is not None:
                option = name.replace("_", "-")
                raise UsageError(
                    f"--{option}: tells of further streams; --devices asks for devices"
                )
        answer = _ask_devices(arguments)
    else:
        answer = _ask_streams(arguments)
    if arguments.json:
        sys.stdout.write(json.dumps(answer.as_json(), indent=2) + "\n")
    else:
        answer.print()
    return 0 if answer.is_found else 1


def _ask_streams(arguments: argparse.Namespace) -> CapacityAnswer:
    scenario = _shortened(scenario_of(arguments), arguments.seconds)
    kind = _kind(arguments)

    def with_more(count: int) -> Scenario:
        try:
            return with_more_streams(scenario, kind, count)
        except ValueError as error:
            raise UsageError(f"{arguments.scenario}: {error}") from None

    planned = largest_that_holds(lambda count: can_be_planned(with_more(count)), 1, arguments.most)
    with capacity_trials(arguments.target) as trials:
        fits = largest_that_holds(
            lambda count: trials.is_met(count, f"{count} more", with_more(count)),
            planned,
            arguments.most,
        )
    limit = ", the most that was looked for" if fits == arguments.most else ""
    return CapacityAnswer(
        question=f"How many more streams like {kind.name} fit",
        found={
            "kind": kind.name,
            "num_more_streams": max(fits, 0),
            "num_more_streams_by_planning": max(planned, 0),
            "is_met_without_more": fits >= 0,
        },
        sentence=f"{fits} more streams fit{limit}; by planning alone {max(planned, 0)}"
        if fits >= 0
        else "none: the scenario misses the target as it is",
        is_found=fits >= 0,
        trials=trials,
    )


def _ask_devices(arguments: argparse.Namespace) -> CapacityAnswer:
    available = _available(arguments.devices)
    scenario = read_scenario(arguments.scenario, arguments.seed, available)
    scenario = _shortened(scenario, arguments.seconds)
    with capacity_trials(arguments.target) as trials:
        found = fewest_devices(
            available,
            lambda counts: can_be_planned(with_devices(scenario, counts)),
            lambda counts: trials.is_met(
                tuple(counts.values()), in_words(counts), with_devices(scenario, counts)
            ),
        )
    return CapacityAnswer(
        question=f"Which of the devices {in_words(available)} the streams need",
        found={"available": available, "devices": found},
        sentence="not even all of them are enough"
        if found is None
        else f"{in_words(found)}, {sum(found.values())} in all, are needed",
        is_found=found is not None,
        trials=trials,
    )


def _shortened(scenario: Scenario, seconds: float | None) -> Scenario:
    try:
        return scenario if seconds is None else replace(scenario, seconds=seconds)
    except ValueError as error:
        raise UsageError(f"--seconds {seconds:g}: {error}") from None


def _kind(arguments: argparse.Namespace) -> StreamKind:
    """What the further streams are like: a kind of the scenario, with what the options say."""
    kinds = {kind.name: kind for kind in read_stream_kinds(arguments.scenario)}
    given = {name: getattr(arguments, name) for name in ("fps", "slo_ms", "wire_ms")}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        if arguments.mbps is not None:
            given["link"] = constant_trace(require_positive("mbps", arguments.mbps))
        if arguments.like is not None:
            if arguments.like not in kinds:
                raise UsageError(
                    f"--like {echo(arguments.like)}: {arguments.scenario} has {', '.join(kinds)}"
                )
            kind = kinds[arguments.like]
        elif not given and len(kinds) == 1:
            kind = next(iter(kinds.values()))
        elif {"fps", "slo_ms", "link"} <= given.keys():
            return StreamKind(
                name=NEW_KIND,
                count=0,
                first=SimulatedStream(stream_id=NEW_KIND, **given),
            )
        else:
            raise UsageError("--like, or --fps, --slo-ms and --mbps: must be given")
        changed = replace(kind, first=replace(kind.first, **given))
        return replace(changed, link_name="") if "link" in given else changed
    except ValueError as error:
        raise UsageError(f"the further streams: {error}") from None


def _available(text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if not (number.isascii() and number.isdigit() and 0 < int(number[:6]) <= DEFAULT_MOST):
            raise UsageError(
                f"--devices {echo(part)}: must be TYPE=MOST with a number from 1 to {DEFAULT_MOST}"
            )
        if name in counts:
            raise UsageError(f"--devices {echo(text)}: names {echo(name)} twice")
        counts[name] = int(number)
    return counts
