"""Two demos on one machine never choose one port, though neither listens yet."""

import socket
from contextlib import closing

import pytest

from billing_site.processes import ports

HOST = "127.0.0.1"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number: int = probe.getsockname()[1]
        return number


def test_a_claimed_port_is_passed_over_before_anybody_listens() -> None:
    first, second = _free_port(), _free_port()
    with (
        closing(ports.claim_first(HOST, [first, second])) as mine,
        closing(ports.claim_first(HOST, [first, second])) as another,
    ):
        assert (mine.number, another.number) == (first, second)


def test_a_port_given_back_can_be_claimed_again() -> None:
    port = _free_port()
    ports.claim_first(HOST, [port]).close()
    with closing(ports.claim_first(HOST, [port])) as again:
        assert again.number == port


def test_a_port_somebody_listens_on_is_refused_by_its_number() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ports.PortTakenError, match=str(port)):
            ports.claim_first(HOST, [port])


def test_the_web_server_can_listen_on_what_we_claimed() -> None:
    with (
        closing(ports.claim_first(HOST, [_free_port()])) as mine,
        socket.create_server((HOST, mine.number)) as server,
        socket.create_connection((HOST, mine.number), timeout=5),
    ):
        assert server.accept()[1][0] == HOST
