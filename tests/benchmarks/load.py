"""Load: prepared HTTP requests sent over many kept connections, as fast as they are answered.

One thread and an epoll, because the client runs on the same cores as what it measures: a request
costs it some ten microseconds. How much of a core that was is told with the answers.
"""

import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Answers:
    """What came back: seconds in all, how many answers of each status, and each one's seconds.

    `client_seconds` is the CPU time the client itself took. `bodies` are kept only when asked for.
    """

    seconds: float = 0.0
    client_seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(self.statuses.values()) / self.seconds

    @property
    def client_share(self) -> float:
        """How much of one core the client took."""
        return self.client_seconds / self.seconds

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


def send(
    requests: Sequence[bytes], *, port: int, connections: int, keep_bodies: bool = False
) -> Answers:
    """Send every request once, over connections that take turns.

    Each connection sends its next request as soon as it has an answer, and as long as there are
    any, so each is answered as often as the server answers it.
    """
    waiting = iter(requests)
    answers = Answers()
    clients: dict[int, _Client] = {}
    with select.epoll() as poll, ExitStack() as open_ones:
        for _ in range(min(connections, len(requests))):
            client = _Client(port)
            open_ones.callback(client.socket.close)
            clients[client.socket.fileno()] = client
            poll.register(client.socket.fileno(), select.EPOLLIN)
        started, cpu = time.perf_counter(), time.process_time()
        busy = sum(client.send_next(waiting) for client in clients.values())
        while busy:
            for number, _ in poll.poll():
                client = clients[number]
                body = client.receive(answers)
                if body is None:
                    continue
                if keep_bodies:
                    answers.bodies.append(body)
                busy -= not client.send_next(waiting)
        answers.seconds = time.perf_counter() - started
        answers.client_seconds = time.process_time() - cpu
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

    def receive(self, answers: Answers) -> bytes | None:
        """Take what has come; returns the body when that completes the answer."""
        chunk = self.socket.recv(1 << 20)
        assert chunk, "the server closed a connection"
        self._received += chunk
        head, found, body = self._received.partition(_HEAD_END)
        if not found:
            return None
        start = head.lower().find(_LENGTH)
        assert start >= 0, head
        if len(body) < int(head[start + len(_LENGTH) :].split(b"\r", 1)[0]):
            return None
        answers.statuses[int(head[9:12])] += 1
        answers.latencies.append(time.perf_counter() - self._sent_at)
        return body
