from __future__ import annotations

import socket

import pytest

from moonjelly.links.retransmission import LONGEST_WAIT_MS, limit_waits

TCP_RTO_MAX_MS = 44


def longest_wait_ms(one: socket.socket) -> int:
    return one.getsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


@pytest.mark.rto_max
def test_both_ends_of_a_server_are_bounded_and_other_sockets_are_not(listener):
    port = listener.getsockname()[1]
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_connection(("127.0.0.1", port)) as client,
        socket.create_connection(other.getsockname()) as stranger,
    ):
        assert limit_waits(port) == 2
        assert longest_wait_ms(listener) == longest_wait_ms(client) == LONGEST_WAIT_MS
        assert longest_wait_ms(stranger) == longest_wait_ms(other) > LONGEST_WAIT_MS


@pytest.mark.rto_max
def test_what_is_accepted_later_is_bounded_too(listener):
    limit_waits(listener.getsockname()[1])
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        assert longest_wait_ms(accepted) == LONGEST_WAIT_MS


def test_a_port_that_nobody_uses_is_no_error():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert limit_waits(unused.getsockname()[1]) == 0
