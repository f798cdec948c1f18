"""Bodies of unknown length: measured before the application sees them.

A client that streams sends no Content-Length, and Django takes a body without one for empty. A
server that can tell where such a body ends says so with `wsgi.input_terminated`.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any

type Environment = dict[str, Any]
type StartResponse = Callable[..., Any]
type Application = Callable[[Environment, StartResponse], Iterable[bytes]]


def measured(application: Application, *, most: int) -> Application:
    """Return `application` behind a door that measures bodies.

    At most one byte more than `most` is read, which is enough for the application to see that the
    body is too large.
    """

    def measure(environment: Environment, start_response: StartResponse) -> Iterable[bytes]:
        is_unknown = "HTTP_TRANSFER_ENCODING" in environment
        if is_unknown and environment.get("wsgi.input_terminated"):
            body = environment["wsgi.input"].read(most + 1)
            environment["wsgi.input"] = io.BytesIO(body)
            environment["CONTENT_LENGTH"] = str(len(body))
        return application(environment, start_response)

    return measure
