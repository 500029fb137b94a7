from __future__ import annotations

import pytest
from adaptation_situations import PUBLISHED_KBITS, ZOO, certain, situation

from moonjelly.adapting.frame_sizes import FrameSize
from moonjelly.adapting.policies.port import Sending
from moonjelly.adapting.policies.registry import NAMES, budget_rule, check_policy, policy
from moonjelly.core.verdict import Reason


def chosen_index(name, kbps, **values):
    sending = policy(name).choose(situation(kbps, **values))
    return ZOO.index(sending.size)


# Published: the largest index whose frames fit the rate, at 10, 15 and 25 frame/s.
FITS = [
    (2.855, (4, 2, 1)),
    (5, (8, 5, 2)),
    (7.5, (11, 8, 4)),
    (10, (14, 10, 6)),
    (15, (15, 14, 9)),
]


@pytest.mark.parametrize(("mbps", "indices"), FITS)
@pytest.mark.parametrize("name", ["best", "server-independent"])
def test_the_largest_side_that_fits_the_rate_is_the_published_one(name, mbps, indices):
    for fps, index in zip((10.0, 15.0, 25.0), indices, strict=True):
        assert chosen_index(name, mbps * 1024, fps=fps, left_ms=1e9) == index


def test_best_keeps_to_the_advice_and_server_independent_does_not():
    assert chosen_index("best", 1e6, advised_px=320) == 6
    assert chosen_index("best", 1e6, advised_px=335) == 6, "between two sides: the smaller one"
    assert chosen_index("best", 1e6, advised_px=0) == 0, "no advice: the smallest"
    assert chosen_index("server-independent", 1e6, advised_px=320) == 15


def test_best_sends_nothing_that_would_be_late():
    # 1000 kbit/s, 10 ms each way: 100 kbit take 120 ms
    values = {
        "sizes": (FrameSize(128, 10.0), FrameSize(256, 100.0)),
        "link": certain(1000.0, 10.0),
        "fps": 1.0,
    }
    asked = policy("best")
    assert asked.choose(situation(0, left_ms=120.0, **values)).size.side_px == 256
    assert asked.choose(situation(0, left_ms=119.0, **values)).size.side_px == 128
    assert asked.choose(situation(0, left_ms=29.0, **values)) is Reason.LINK_TOO_SLOW


def test_aggressive_falls_to_the_smallest_side_at_once():
    most = PUBLISHED_KBITS[8]
    assert chosen_index("aggressive", 15 * most + 1, advised_px=384) == 8
    assert chosen_index("aggressive", 15 * most, advised_px=384) == 0, "equality does not fit"


def test_fixed_sends_its_side_whatever_the_link_and_the_advice():
    assert chosen_index("fixed:352", 100.0, advised_px=128, left_ms=1.0) == 7
    assert chosen_index("fixed:360", 1e6) == 7, "the zoo's next smaller side"
    assert chosen_index("fixed:100", 1e6) == 0


def test_none_sends_the_advised_side():
    assert chosen_index("none", 100.0, advised_px=416, left_ms=1.0) == 9


@pytest.mark.parametrize(
    ("mbps", "slo_ms", "index"),
    # A quarter of the SLO: 25 ms less 2 x 0.5 ms on the wire carry 24 ms x rate.
    [(20.48, 100.0, 7), (10.24, 100.0, 3), (20.48, 150.0, 11), (2.0, 100.0, 0)],
)
def test_slo_split_travels_within_a_quarter_of_the_slo(mbps, slo_ms, index):
    carried_kbits = (slo_ms / 4 - 1) * mbps
    assert index == 0 or PUBLISHED_KBITS[index] <= carried_kbits < PUBLISHED_KBITS[index + 1]
    link = certain(mbps * 1000, 0.5)
    assert chosen_index("slo-split", 0, slo_ms=slo_ms, link=link, advised_px=0) == index


def test_sizes_of_the_stream_count_and_not_those_of_the_zoo():
    assert chosen_index("server-independent", 15 * PUBLISHED_KBITS[8] + 1) == 8
    assert chosen_index("server-independent", 15 * PUBLISHED_KBITS[8] + 1, size_ratio=2.0) < 6


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("ladder", "elastic:70"),
        ("best", "full"),
        ("none", "full"),
        ("aggressive", "full"),
        ("server-independent", "full"),
        ("slo-split", "split"),
        ("fixed:352", "fixed:352"),
    ],
)
def test_each_policy_names_its_budget_rule(name, rule):
    assert budget_rule(name) == rule
    assert check_policy(name) == name
    assert isinstance(policy(name).choose(situation(20_000.0)), Sending)


@pytest.mark.parametrize(
    "name", ["", "Best", "fixed", "fixed:", "fixed:0", "fixed:-1", "fixed:99999"]
)
def test_other_names_are_refused_with_those_there_are(name):
    with pytest.raises(ValueError, match="policy=") as error:
        policy(name)
    assert all(known in str(error.value) for known in NAMES)


def test_streams_do_not_share_a_policy():
    assert policy("ladder") is not policy("ladder")
