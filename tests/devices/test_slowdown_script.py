from __future__ import annotations

import pytest

from moonjelly.devices.replay import ALWAYS_AS_PROFILED, SlowdownScript


def test_each_step_holds_from_its_start():
    script = SlowdownScript.parse("1:2+2.5:0.5")
    assert [script.factor(at_ms) for at_ms in (0, 999, 1000, 2499, 2500, 1e9)] == [
        1,
        1,
        2,
        2,
        0.5,
        0.5,
    ]


def test_without_a_script_a_device_is_as_its_profile_says():
    assert SlowdownScript.parse("") == ALWAYS_AS_PROFILED
    assert ALWAYS_AS_PROFILED.factor(5000.0) == 1


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "1:2:3",
        "a:b",
        "-1:2",
        "1:0",
        "1:nan",
        "nan:1",
        "inf:1",
        "1:1e9",
        "2:1+1:1",
        "1:1+1:2",
        "1:2,3:4",
        "+",
    ],
)
def test_what_is_no_script_is_refused_and_named(text):
    with pytest.raises(ValueError, match=r"must be|must begin") as error:
        SlowdownScript.parse(text)
    assert repr(text) in str(error.value)
