"""Load: prepared HTTP requests sent over many kept connections, as fast as they are answered.

One thread and an epoll, because the client runs on the same cores as what it measures: a request
costs it some ten microseconds.
"""

import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Answers:
    """What came back: seconds in all, how many answers of each status, and each one's seconds."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(self.statuses.values()) / self.seconds

    def percentile(self, share: float) -> float:
        """Return how many seconds this share of the answers took at most."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def request(path: str, body: bytes, *, headers: Mapping[str, str], method: str = "POST") -> bytes:
    """Return a whole HTTP/1.1 request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + _HEAD_END + body


def send(requests: Sequence[bytes], *, port: int, connections: int) -> Answers:
    """Send every request once, each connection its next one as soon as it has an answer."""
    waiting = iter(requests)
    answers = Answers()
    poll = select.epoll()
    clients: dict[int, _Client] = {}
    for _ in range(min(connections, len(requests))):
        client = _Client(port)
        clients[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)
    started = time.perf_counter()
    open_ones = sum(client.send_next(waiting) for client in clients.values())
    while open_ones:
        for number, _ in poll.poll():
            client = clients[number]
            if client.receive(answers) and not client.send_next(waiting):
                open_ones -= 1
    answers.seconds = time.perf_counter() - started
    poll.close()
    for client in clients.values():
        client.socket.close()
    return answers


class _Client:
    """One kept connection with at most one request on the way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._sent_at = 0.0

    def send_next(self, waiting: Iterator[bytes]) -> bool:
        """Send the next request; False when none is left."""
        following = next(waiting, None)
        if following is None:
            return False
        self._received = b""
        self._sent_at = time.perf_counter()
        self.socket.sendall(following)
        return True

    def receive(self, answers: Answers) -> bool:
        """Take what has come; True when that completes the answer."""
        chunk = self.socket.recv(1 << 20)
        assert chunk, "the server closed a connection"
        self._received += chunk
        head, found, body = self._received.partition(_HEAD_END)
        if not found:
            return False
        start = head.lower().find(_LENGTH)
        assert start >= 0, head
        if len(body) < int(head[start + len(_LENGTH) :].split(b"\r", 1)[0]):
            return False
        answers.statuses[int(head[9:12])] += 1
        answers.latencies.append(time.perf_counter() - self._sent_at)
        return True
