"""Registrations: checks what a client declares, and says what is served."""

from __future__ import annotations

from collections.abc import Sequence

from ...adapting.frame_sizes import frame_sizes
from ...core.answer_options import MIN_SCORE, AnswerOptions
from ...core.checks import echo, plain, require_id
from ...core.codes import Code
from ...core.limits import BANDWIDTH_KBPS, FPS, SLO_MS, WIRE_MS
from ...core.stream import StreamKey
from ...protos import serving_pb2
from ...protos.serving_pb2 import InputSize, JpegQuality, LinkEstimate, RegisterRequest, Zoo
from ...scheduling.cores.endpoint.gate import Declared
from ...scheduling.limits import Visitor
from ..zoo import ServedZoo
from .problems import SessionError
from .session import proof_of


def check_registration(request: RegisterRequest, visitor: Visitor, zoo: ServedZoo) -> Declared:
    """Returns what a visitor declared, if every value is sound.

    Raises:
        SessionError: naming field, value and rule.
    """
    try:
        require_id("stream_id", request.stream_id)
        if not request.stream_id[0].isalnum():
            problem = f"stream_id={echo(request.stream_id)}: must begin with a letter or digit"
        else:
            problem = FPS.problem("fps", request.fps) or SLO_MS.problem("slo_ms", request.slo_ms)
        problem = problem or link_problem(request.link)
        if problem:
            raise SessionError(Code.INVALID_ARGUMENT, problem)
        if request.zoo not in ("", zoo.name):
            require_id("zoo", request.zoo)
            raise SessionError(
                Code.NOT_FOUND, f"zoo={echo(request.zoo)}: this server has {zoo.name}"
            )
        options = _answer_options(request.options, zoo.class_names)
    except ValueError as error:
        raise SessionError(Code.INVALID_ARGUMENT, str(error)) from None
    return Declared(
        key=StreamKey(visitor.tenant, request.stream_id),
        fps=request.fps,
        slo_ms=request.slo_ms,
        bandwidth_kbps=request.link.bandwidth_kbps,
        wire_ms=request.link.wire_ms,
        options=options,
        address=visitor.address,
        older_proof=proof_of(request.older_session),
    )


def _answer_options(
    options: serving_pb2.AnswerOptions, class_names: Sequence[str]
) -> AnswerOptions:
    """What is wanted of answers; ValueError naming field, value and rule."""
    MIN_SCORE.require("options.min_score", options.min_score)
    ids = {name: number for number, name in enumerate(class_names)}
    for name in options.classes:
        if name not in ids:
            known = plain(", ".join(class_names))
            raise ValueError(f"options.classes={echo(name)}: must be of {known}")
    class_ids = tuple(sorted({ids[name] for name in options.classes}))
    return AnswerOptions(options.min_score, class_ids, options.max_boxes)


def link_problem(link: LinkEstimate) -> str:
    """Says what is wrong with a link estimate; empty if nothing is."""
    return BANDWIDTH_KBPS.problem("link.bandwidth_kbps", link.bandwidth_kbps) or WIRE_MS.problem(
        "link.wire_ms", link.wire_ms
    )


def describe_zoo(zoo: ServedZoo) -> Zoo:
    """What is served, as a client is told."""
    return Zoo(
        name=zoo.name,
        class_names=zoo.class_names,
        sizes=[
            InputSize(side_px=size.side_px, frame_kbits=size.kbits, accuracy=size.accuracy)
            for size in frame_sizes(zoo.variants)
        ],
        qualities=[
            JpegQuality(
                quality=one.quality,
                accuracy_ratio=one.accuracy_ratio,
                size_ratio=one.size_ratio,
            )
            for one in zoo.qualities
        ],
        fit=zoo.fit.name,
        task=zoo.task.name,
    )
