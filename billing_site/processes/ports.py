"""A port of our own: chosen once, and kept from other demos until the process ends."""

import socket
import sys
from collections.abc import Iterable


class PortTakenError(Exception):
    """Something else listens on the port that was asked for, or is about to."""


class ClaimedPort:
    """A port that nobody listens on and no other demo on this machine may choose.

    The web server binds it only seconds later, and web servers share ports with each other, so a
    free port alone promises nothing. The claim is a name that the kernel gives to one process and
    takes back when that ends; where there are no such names (outside Linux) it is not kept.
    """

    def __init__(self, number: int, claim: socket.socket) -> None:
        self.number = number
        self._claim = claim

    def close(self) -> None:
        """Give the port back."""
        self._claim.close()


def claim_first(host: str, ports: Iterable[int]) -> ClaimedPort:
    """Claim the first of `ports` that is free on `host`. Raises PortTakenError with the first."""
    tried = []
    for port in ports:
        claimed = _claim(host, port)
        if claimed is not None:
            return claimed
        tried.append(port)
    raise PortTakenError(tried[0])


def _claim(host: str, port: int) -> ClaimedPort | None:
    claim = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            claim.bind(f"\0drawdown-port-{port}")
    except OSError:
        claim.close()
        return None
    if not _is_free(host, port):
        claim.close()
        return None
    return ClaimedPort(port, claim)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
