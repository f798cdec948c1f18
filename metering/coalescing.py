"""Coalescing: what arrives while one transaction commits becomes the next one.

On one hot customer every transaction waits for its own flush to disk, under the lock of the
account. So requests of one organization that come in meanwhile wait together and are worked on as
one set: those of the kind that has waited longest, in the order in which they came. There is no
timer: a request that comes alone goes at once. Each keeps its own answer, and a set that fails is
worked on again request by request, so that only the one to blame fails.

Whoever waits has no answer yet, so nobody can tell which of two such requests came first, and a
request of one kind may overtake one of another. Other processes do the same beside this one;
between them the row lock rules.
"""

import datetime as dt
import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

WEIGHT_MAX = 500
"""How many events one transaction takes up, unless a single request brings more."""

FLUSHERS = 2
"""How many organizations are served at once; more would only wait for each other."""

type Work[Asked, Done] = Callable[[uuid.UUID, Sequence[Asked], dt.datetime], Sequence[Done]]
"""Does what requests of one kind of an organization ask, all in one transaction, at a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered[Ticket, Done]:
    """What became of one request, or why nothing did."""

    ticket: Ticket
    done: Done | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Request[Ticket, Done]:
    ticket: Ticket
    work: Work[Any, Done]
    asked: Any
    weight: int
    alone_in: Collection[str]


class Coalescer[Ticket, Done]:
    """Works on concurrent requests, as many at a time as have come.

    `deliver` is called by a thread of ours with the answers of each transaction after its commit.
    A ticket is whatever the caller knows a request by. `clock` says when a set is received.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], dt.datetime],
        deliver: Callable[[Sequence[Answered[Ticket, Done]]], None],
    ) -> None:
        self._clock = clock
        self._deliver = deliver
        self._changed = threading.Condition()
        self._waiting: dict[uuid.UUID, deque[_Request[Ticket, Done]]] = {}
        self._ready: deque[uuid.UUID] = deque()
        self._flushers: list[threading.Thread] = []

    def submit(
        self,
        *,
        organization_id: uuid.UUID,
        work: Work[Any, Done],
        asked: Any,
        ticket: Ticket,
        weight: int = 1,
        alone_in: Collection[str] = (),
    ) -> None:
        """Let this be done with the next set of its kind, `work`, for the organization.

        `weight` is how many events it brings. No two that have one of `alone_in` in common are
        worked on in one set.
        """
        request = _Request(ticket, work, asked, weight, alone_in)
        with self._changed:
            if not self._flushers:
                self._start()
            waiting = self._waiting.get(organization_id)
            if waiting is None:
                # Nobody serves this organization now; from here on somebody does.
                self._waiting[organization_id] = deque([request])
                self._ready.append(organization_id)
                self._changed.notify()
            else:
                waiting.append(request)

    def _start(self) -> None:
        # Not before the first request: threads do not survive the fork of a server's workers.
        for number in range(FLUSHERS):
            flusher = threading.Thread(
                target=self._flush_forever, name=f"flusher-{number}", daemon=True
            )
            self._flushers.append(flusher)
            flusher.start()

    def _flush_forever(self) -> None:
        while True:
            if not self._ready:
                connection.close()  # Back to the pool: who waits needs none.
            with self._changed:
                self._changed.wait_for(lambda: self._ready)
                organization_id = self._ready.popleft()
                requests = _take(self._waiting[organization_id])
            answers = self._answers(organization_id, requests)
            try:
                self._deliver(answers)
            except Exception:
                # Whoever asked is gone or will ask again. Those who come after must be served.
                log.exception("answers could not be delivered", requests=len(requests))
            self._let_go(organization_id)

    def _let_go(self, organization_id: uuid.UUID) -> None:
        with self._changed:
            if self._waiting[organization_id]:
                self._ready.append(organization_id)
                self._changed.notify()
            else:
                del self._waiting[organization_id]

    def _answers(
        self, organization_id: uuid.UUID, requests: Sequence[_Request[Ticket, Done]]
    ) -> list[Answered[Ticket, Done]]:
        try:
            all_done = requests[0].work(
                organization_id, [request.asked for request in requests], self._clock()
            )
        except Exception as error:  # noqa: BLE001  Told to whoever asked.
            # The next set gets another connection, in case this one is what has failed.
            connection.close()
            if len(requests) == 1:
                return [Answered(ticket=requests[0].ticket, error=error)]
            return [
                answer
                for request in requests
                for answer in self._answers(organization_id, [request])
            ]
        return [
            Answered(ticket=request.ticket, done=done)
            for request, done in zip(requests, all_done, strict=True)
        ]


def _take[Ticket, Done](
    waiting: deque[_Request[Ticket, Done]],
) -> list[_Request[Ticket, Done]]:
    """Take the first request, and those of its kind that can be worked on with it."""
    work, weight = waiting[0].work, 0
    taken: list[_Request[Ticket, Done]] = []
    left: list[_Request[Ticket, Done]] = []
    alone_in: set[str] = set()
    while waiting:
        request = waiting.popleft()
        if taken and weight + request.weight > WEIGHT_MAX:
            left.append(request)
            break
        if request.work is not work or not alone_in.isdisjoint(request.alone_in):
            left.append(request)
            continue
        taken.append(request)
        weight += request.weight
        alone_in.update(request.alone_in)
    waiting.extendleft(reversed(left))
    return taken
