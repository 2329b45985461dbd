"""Ports of the sandbox's parts."""

import socket

import pytest

from sandbox.processes import free_port


def test_a_port_that_was_drawn_is_not_drawn_again_by_any_process():
    drawn = [free_port() for _ in range(200)]
    assert len(set(drawn)) == len(drawn)
    for port in drawn:
        # What another process would try first.
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as claim,
            pytest.raises(OSError, match="in use"),
        ):
            claim.bind(("127.0.0.1", port))


def test_the_preferred_port_is_given_again_until_somebody_listens():
    port = free_port()
    assert (free_port(port), free_port(port)) == (port, port)
    with socket.create_server(("127.0.0.1", port)):
        assert free_port(port) != port
