"""Streams that are served in place of others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from .pairs import partners, regroup_pairs
from .working_draft import STEPS_OF_SIZE, WorkingDraft

EXCHANGE_SIZES = (2, 3)  # devices planned anew for an exchange
MAX_EXCHANGES = 40  # of a stream that is served with one that is not, the most promising first
MAX_EXCHANGE_PARTNERS = 4  # of the device on which the one is served


def exchange(work: WorkingDraft) -> None:
    """Serves streams in place of others where two or three devices gain by it."""
    while work.draft.unserved and not work.effort.is_spent:
        changed = _exchange_one(work)
        if not changed:
            break
        regroup_pairs(work, changed)


def _exchange_one(work: WorkingDraft) -> tuple[int, ...]:
    """Makes the first exchange that gains; returns the devices that it changed."""
    pairs = [
        (stream, in_place_of, device)
        for device, members in enumerate(work.draft.members)
        for in_place_of in _unlike(work, members)
        for stream in _unlike(work, work.draft.unserved)
    ]
    worth = _worth(work)
    pairs.sort(key=lambda pair: worth[pair[1]] - worth[pair[0]])
    for size in EXCHANGE_SIZES:
        for stream, in_place_of, device in pairs[:MAX_EXCHANGES]:
            others = partners(work, device)[:MAX_EXCHANGE_PARTNERS]
            for some in combinations(others, size - 1):
                if work.effort.is_spent:
                    return ()
                devices = (device, *some)
                work.effort.spend(STEPS_OF_SIZE[size])
                streams = work.members_of(devices)
                streams[streams.index(in_place_of)] = stream
                group = work.plan_anew(devices, streams, sum(work.values[one] for one in devices))
                if group is not None:
                    unserved = work.draft.unserved
                    unserved[unserved.index(stream)] = in_place_of
                    work.take(devices, group)
                    return devices
    return ()


def _unlike(work: WorkingDraft, streams: Sequence[int]) -> list[int]:
    """One of each kind of stream: of one weight, and fit for the same modes."""
    fits = work.instance.fits
    return list(
        {(work.weights[stream], fits[stream].tobytes()): stream for stream in streams}.values()
    )


def _worth(work: WorkingDraft) -> list[float]:
    """What it is worth to serve each stream, at the prices of the relaxation."""
    prices = work.prices_of(range(work.instance.num_streams), work.num_served)
    worth: list[float] = (prices.densities * work.instance.weights).tolist()
    return worth
