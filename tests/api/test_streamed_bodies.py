"""Over a real connection to the real server: bodies of unknown length, bytes that are no HTTP."""

import errno
import io
import json
import socket
import time
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from accounts import api_keys
from billing_site.measured_bodies import measured
from metering.models import Event
from tests.api.bodies import fast_minutes
from tests.api.processes import running
from tests.worlds import VideoWorld, open_video_world

HUNG_UP = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN}


@pytest.fixture
def shop(transactional_db: None) -> VideoWorld:
    """A company that other processes see."""
    return open_video_world()


@pytest.fixture(params=["wsgi", "asgi"])
def port(request: pytest.FixtureRequest, shop: VideoWorld, tmp_path: Path) -> Iterator[int]:
    """Start the web server, with either entry point, and return where it listens."""
    interface = request.param
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    server = ("granian", "--interface", interface, f"billing_site.{interface}:application")
    log = tmp_path / "web.log"
    with running(*server, "--no-ws", "--host", "127.0.0.1", "--port", str(number), log=log):
        deadline = time.monotonic() + 30
        while socket.socket().connect_ex(("127.0.0.1", number)):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield number


def stream(port: int, secret: str, parts: Iterable[bytes]) -> tuple[int, Any]:
    """Send a body in parts, without saying how many will come."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    connection.request("POST", "/api/v1/events", parts, headers, encode_chunked=True)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def first_line(port: int, content: bytes) -> bytes:
    """Send bytes and return the first line of what comes back, empty when nothing does."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").readline()
        except OSError as error:
            if error.errno not in HUNG_UP:
                raise
            return b""


def test_the_real_server_takes_streams_and_survives_nonsense(port: int, shop: VideoWorld) -> None:
    _, secret = api_keys.issue(organization=shop.organization, name="k", scopes=["admin"])
    body = json.dumps(fast_minutes(shop)).encode()
    status, answer = stream(port, secret, [body[:20], body[20:]])
    assert (status, answer["status"]) == (201, "recorded")
    status, answer = stream(port, secret, [b" " * 1024**2] * 9)
    assert (status, answer["type"]) == (413, "/problems/too_large")

    line = b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
    key = b"Authorization: Bearer " + secret.encode() + b"\r\nContent-Type: application/json\r\n"
    for nonsense in (
        b"\x00\xff\r\n\r\n",
        b"GET /%00/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        line + key + b"Content-Length: -1\r\n\r\n{}",
        line + key + b"Content-Length: 9999999999999999999999\r\n\r\n{}",
        line + key + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        line + key + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        line + b"Authorization: Bearer \xe4\xff\x80\r\nContent-Length: 2\r\n\r\n{}",
        line + b"X" * 100_000 + b": x\r\n\r\n",
    ):
        found = first_line(port, nonsense)
        assert found == b"" or found.split()[1].startswith(b"4"), (nonsense[:80], found)
    assert Event.objects.count() == 1


def respond(environment: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the length that was declared and the body, as far as it is declared."""
    length = int(environment.get("CONTENT_LENGTH") or 0)
    return [str(length).encode(), environment["wsgi.input"].read(length)]


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, b"0123456789"),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, b""),
        ({"wsgi.input_terminated": True}, b""),
        ({"CONTENT_LENGTH": "3", "wsgi.input_terminated": True}, b"012"),
    ],
)
def test_a_body_is_measured_when_only_its_end_is_known(
    headers: dict[str, Any], read: bytes
) -> None:
    environment = {"wsgi.input": io.BytesIO(b"0123456789"), **headers}
    assert list(measured(respond, most=100)(environment, lambda *_: None)) == [
        str(len(read)).encode(),
        read,
    ]


def test_no_more_of_a_body_is_read_than_shows_that_it_is_too_large() -> None:
    source = io.BytesIO(b"x" * 1000)
    environment = {
        "wsgi.input": source,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
    }
    measured(respond, most=10)(environment, lambda *_: None)
    assert (environment["CONTENT_LENGTH"], source.tell()) == ("11", 11)
