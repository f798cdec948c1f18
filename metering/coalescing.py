"""Coalescing: what arrives while one transaction commits becomes the next one.

On one hot customer every transaction waits for its own flush to disk, under the lock of the
account. So requests of one organization that come in meanwhile wait together and are recorded as
one set. There is no timer: a request that comes alone goes at once. Each keeps its own answer, and
a set that fails is recorded again request by request, so that only the one to blame fails.

Other processes do the same beside this one; between them the row lock rules.
"""

import datetime as dt
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog
from django.db import connection

from metering import ingestion
from metering.event_drafts import EventDraft, InvalidDraft
from metering.ingestion import Recorded

log = structlog.get_logger(__name__)

EVENTS_MAX = 500
"""How many events one transaction takes up, unless a single request brings more."""

FLUSHERS = 2
"""How many organizations are served at once; more would only wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered[Ticket]:
    """What became of one request: an outcome for each of its events, or why there are none."""

    ticket: Ticket
    recorded: Recorded | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Request[Ticket]:
    ticket: Ticket
    drafts: Sequence[EventDraft | InvalidDraft]


class Coalescer[Ticket]:
    """Records the events of concurrent requests, as many at a time as have come.

    `deliver` is called by a thread of ours with the answers of each transaction after its commit.
    A ticket is whatever the caller knows a request by. `clock` says when a set is received.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], dt.datetime],
        deliver: Callable[[Sequence[Answered[Ticket]]], None],
    ) -> None:
        self._clock = clock
        self._deliver = deliver
        self._changed = threading.Condition()
        self._waiting: dict[uuid.UUID, deque[_Request[Ticket]]] = {}
        self._ready: deque[uuid.UUID] = deque()
        self._flushers: list[threading.Thread] = []

    def submit(
        self,
        *,
        organization_id: uuid.UUID,
        drafts: Sequence[EventDraft | InvalidDraft],
        ticket: Ticket,
    ) -> None:
        """Let these events be recorded with the next set of their organization."""
        with self._changed:
            if not self._flushers:
                self._start()
            waiting = self._waiting.get(organization_id)
            if waiting is None:
                # Nobody serves this organization now; from here on somebody does.
                self._waiting[organization_id] = deque([_Request(ticket, drafts)])
                self._ready.append(organization_id)
                self._changed.notify()
            else:
                waiting.append(_Request(ticket, drafts))

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
                requests = self._take(self._waiting[organization_id])
            answers = self._record(organization_id, requests)
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

    @staticmethod
    def _take(waiting: deque[_Request[Ticket]]) -> list[_Request[Ticket]]:
        taken = [waiting.popleft()]
        events = len(taken[0].drafts)
        while waiting and events + len(waiting[0].drafts) <= EVENTS_MAX:
            taken.append(waiting.popleft())
            events += len(taken[-1].drafts)
        return taken

    def _record(
        self, organization_id: uuid.UUID, requests: Sequence[_Request[Ticket]]
    ) -> list[Answered[Ticket]]:
        try:
            recorded = ingestion.record_events(
                organization_id=organization_id,
                drafts=[draft for request in requests for draft in request.drafts],
                at=self._clock(),
            )
        except Exception as error:  # noqa: BLE001  Told to whoever asked.
            # The next set gets another connection, in case this one is what has failed.
            connection.close()
            if len(requests) == 1:
                return [Answered(ticket=requests[0].ticket, error=error)]
            return [
                answer
                for request in requests
                for answer in self._record(organization_id, [request])
            ]
        outcomes = iter(recorded.outcomes)
        return [
            Answered(
                ticket=request.ticket,
                recorded=Recorded(
                    outcomes=list(islice(outcomes, len(request.drafts))),
                    firings=recorded.firings,
                ),
            )
            for request in requests
        ]
