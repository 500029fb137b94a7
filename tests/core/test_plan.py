from __future__ import annotations

import pytest

from moonjelly.core.mode import Mode
from moonjelly.core.plan import Berth, DevicePlan


def test_a_device_that_runs_one_mode_for_everybody_has_one_berth():
    plan = DevicePlan.of("gpu0", Mode(2, 4))
    assert plan.berths == (Berth(Mode(2, 4), share_ratio=1.0, zoo=""),)
    assert plan.mode == Mode(2, 4)


def test_a_device_holds_models_of_several_owners_and_no_one_mode():
    berths = (Berth(Mode(2, 4), 0.75), Berth(Mode(0, 1), 0.25, "faces"))
    plan = DevicePlan("gpu0", berths)
    assert [berth.zoo for berth in plan.berths] == ["", "faces"]
    with pytest.raises(ValueError, match="too many values"):
        _ = plan.mode


@pytest.mark.parametrize("share_ratio", [0, 1.1, -1])
def test_a_share_is_a_part_of_the_device(share_ratio):
    with pytest.raises(ValueError, match="share_ratio"):
        Berth(Mode(0, 1), share_ratio)
