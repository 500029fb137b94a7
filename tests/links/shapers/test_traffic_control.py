from __future__ import annotations

import pytest
from shape_source_ports import class_lines, source_port_line

from moonjelly.core.errors import RunError
from moonjelly.links.shapers.namespaces import MAX_LINKS, NETWORK, NUM_BLOCKS, LinkPlace
from moonjelly.links.shapers.traffic_control import (
    root_rate_line,
    set_now,
    traffic_control,
)


def test_the_kernel_is_told_the_rate_on_the_wire():
    """14.48 Mbit/s of payload in full segments are 15.14 Mbit/s of Ethernet frames."""
    line = root_rate_line("s", 14_480)
    assert line == ("qdisc replace dev s root tbf rate 15140000bit burst 1540 limit 18926540")


def test_slow_links_keep_room_for_a_whole_segment():
    assert "burst 1540 " in root_rate_line("s", 100)


def test_no_rate_is_a_black_hole():
    assert root_rate_line("s", 0) == "qdisc replace dev s root blackhole"
    leaf = class_lines("eth0", "6d6a:", 10, 0)[-1]
    assert leaf == "qdisc replace dev eth0 parent 6d6a:a blackhole"


def test_a_source_port_is_matched_in_tcp_only():
    line = source_port_line("eth0", "6d6a:", 1, 50_001)
    assert line.endswith("match ip protocol 6 0xff match ip sport 50001 0xffff flowid 6d6a:1")


def test_no_two_links_share_a_name_or_an_address():
    places = [
        LinkPlace(f"{block:06x}", block, number)
        for block in (0, 1, NUM_BLOCKS - 1)
        for number in (0, 1, MAX_LINKS - 1)
    ]
    taken = [
        address for place in places for address in (place.client_address, place.server_address)
    ]
    assert len(set(taken)) == len(taken)
    assert all(NETWORK[0] < address_of(text) < NETWORK[-1] for text in taken)
    names = [name for place in places for name in (place.namespace, place.client_device)]
    assert len(set(names)) == len(names)
    assert max(len(place.client_device) for place in places) <= 15, "the kernel's limit"


def address_of(text):
    import ipaddress

    return ipaddress.IPv4Address(text)


@pytest.mark.network
def test_what_the_kernel_refuses_is_an_error():
    with pytest.raises(RunError, match="no-such-device"):
        set_now(["qdisc replace dev no-such-device root blackhole"])
    with pytest.raises(RunError, match="its message stands above"), traffic_control() as hand_over:
        hand_over(["qdisc replace dev no-such-device root blackhole"])
