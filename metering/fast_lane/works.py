"""What is done for a set of requests of one kind, in one transaction, and how each is answered.

An answer of None is for the other door to give: it knows how to wait, and asks again.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from rest_framework.exceptions import APIException

from accounts import api as accounts_api
from accounts import customers, idempotency, problems, tenancy
from accounts.models import StoredAnswer
from accounts.renderers import ExactJSONRenderer
from metering import authorization_sets, authorization_statements, authorizations, ingestion
from metering.api import authorization_doors as doors
from metering.api import events as events_door
from metering.api.events import Answer
from metering.authorization_sets import Done, WorkDone, WorkToCome
from metering.event_drafts import EventDraft, InvalidDraft
from metering.models import Authorization

_renderer = ExactJSONRenderer()
_SUCCESS = range(200, 400)


class Rendered(NamedTuple):
    """An answer as it is sent; `firings` are alerts that wait to be delivered."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    content: bytes
    firings: int = 0


class Sent(NamedTuple):
    """The events of one request."""

    drafts: Sequence[EventDraft | InvalidDraft]
    is_batch: bool


class Once(NamedTuple):
    """The key a request came with, and what tells it from another request."""

    key: str
    fingerprint: uuid.UUID


class Asked(NamedTuple):
    """One request about an authorization: its body, read, and the key it came with."""

    data: Any
    authorization_id: uuid.UUID | None
    once: Once | None


def _rendered(answer: Answer, *, firings: int = 0) -> Rendered:
    return Rendered(
        answer.status,
        answer.content_type,
        answer.headers,
        _renderer.render(answer.payload),
        firings,
    )


def _refused(error: Exception) -> Rendered:
    """Answer with a problem. Raises the error itself when it is none."""
    payload = problems.body_of(error)
    if payload is None:
        raise error
    return Rendered(payload["status"], problems.CONTENT_TYPE, {}, _renderer.render(payload))


# Events.


def record(organization_id: uuid.UUID, sent: Sequence[Sent], at: dt.datetime) -> list[Rendered]:
    """Record the events of these requests."""
    recorded = ingestion.record_events(
        organization_id=organization_id,
        drafts=[draft for each in sent for draft in each.drafts],
        at=at,
    )
    outcomes = iter(recorded.outcomes)
    return [
        _rendered(
            events_door.answer_batch(list(islice(outcomes, len(each.drafts))))
            if each.is_batch
            else events_door.answer_one(next(outcomes)),
            firings=recorded.firings,
        )
        for each in sent
    ]


# Authorizations.

type Answers = list[Rendered | None]
type Decide = Callable[[uuid.UUID, Sequence[Asked], dt.datetime], list[Rendered]]


def authorize(organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime) -> Answers:
    """Let the work of these requests go ahead, or say why it may not."""
    return _each_once(_authorize, organization_id, asked, at)


def capture(organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime) -> Answers:
    """Record what the work of these requests came to."""
    return _each_once(_capture, organization_id, asked, at)


def release(organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime) -> Answers:
    """Give back what is held for these authorizations."""
    return _each_once(_release, organization_id, asked, at)


def extend(organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime) -> Answers:
    """Hold more, or for longer; one after the other, each in a savepoint of its own."""
    return _each_once(_extend, organization_id, asked, at)


def _each_once(
    decide: Decide, organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime
) -> Answers:
    """Decide requests in one transaction, those with a key only when they are new.

    One whose key another transaction keeps is left to the other door, which waits for it.
    """
    answers: dict[int, Rendered | None] = {}
    with tenancy.recording_for(organization_id):
        keyed = {place: each.once for place, each in enumerate(asked) if each.once is not None}
        if keyed:
            answers |= _known_answers(organization_id, keyed)
        new = [place for place in range(len(asked)) if place not in answers]
        if new:
            decided = decide(organization_id, [asked[place] for place in new], at)
            answers |= zip(new, decided, strict=True)
            if keyed:
                _store(organization_id, keyed, dict(zip(new, decided, strict=True)))
    return [answers[place] for place in range(len(asked))]


def _known_answers(
    organization_id: uuid.UUID, keyed: Mapping[int, Once]
) -> Iterator[tuple[int, Rendered | None]]:
    free = idempotency.take_free_turns(organization_id, [key for key, _ in keyed.values()])
    stored = idempotency.stored_answers(organization_id, free)
    for place, (key, fingerprint) in keyed.items():
        if key not in free:
            yield place, None
        elif key in stored:
            yield place, _repeated(stored[key], fingerprint)


def _repeated(stored: StoredAnswer, fingerprint: uuid.UUID) -> Rendered:
    try:
        idempotency.refuse_reused(stored, fingerprint)
    except problems.Problem as error:
        return _refused(error)
    return Rendered(
        stored.status, _renderer.media_type, idempotency.REPLAYED, stored.content.encode()
    )


def _store(
    organization_id: uuid.UUID, keyed: Mapping[int, Once], decided: Mapping[int, Rendered]
) -> None:
    """Store the successes: a refusal has changed nothing and may be tried again."""
    idempotency.store(
        organization_id,
        [
            idempotency.NewAnswer(*keyed[place], answer.status, answer.content)
            for place, answer in decided.items()
            if place in keyed and answer.status in _SUCCESS
        ],
    )


def _authorize(
    organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime
) -> list[Rendered]:
    names = {
        name
        for each in asked
        if isinstance(each.data, dict) and isinstance(name := each.data.get("customer"), str)
    }
    known = customers.find_all(organization_id=organization_id, external_ids=names)

    def read(each: Asked) -> WorkToCome:
        said = doors.read_work(each.data)
        if said["customer"] not in known:
            raise doors.unknown_customer()
        return doors.work_to_come(said, customer=known[said["customer"]], at=at)

    decide = partial(authorization_sets.authorize_set, organization_id=organization_id, at=at)
    return _decided(asked, read, lambda works: decide(asked=works), doors.made)


def _capture(organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime) -> list[Rendered]:
    found = _finder(organization_id, asked)

    def read(each: Asked) -> WorkDone:
        said = doors.read_capture(each.data)  # Its shape is looked at before its address.
        return doors.work_done(said, authorization=found(each), at=at)

    decide = partial(authorization_sets.capture_set, organization_id=organization_id, at=at)
    return _decided(asked, read, lambda works: decide(done=works), doors.captured)


def _release(organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime) -> list[Rendered]:
    found = _finder(organization_id, asked)

    def read(each: Asked) -> WorkDone:
        return WorkDone(authorization=found(each), drafts=())

    decide = partial(authorization_sets.capture_set, organization_id=organization_id, at=at)
    return _decided(asked, read, lambda works: decide(done=works), doors.stands)


def _extend(organization_id: uuid.UUID, asked: Sequence[Asked], at: dt.datetime) -> list[Rendered]:
    found = _finder(organization_id, asked)

    def extended(terms: Mapping[str, Any]) -> Done | Exception:
        try:
            return authorizations.extend(**terms, at=at)
        except authorizations.REFUSALS as error:
            return error

    def read(each: Asked) -> Mapping[str, Any]:
        said = doors.read_extension(each.data)
        return doors.terms_of_extension(said, authorization=found(each), at=at)

    return _decided(asked, read, lambda works: [extended(each) for each in works], doors.stands)


def _finder(organization_id: uuid.UUID, asked: Sequence[Asked]) -> Callable[[Asked], Authorization]:
    """Return what finds the authorization of each request. That raises Problem."""
    ids = {each.authorization_id for each in asked if each.authorization_id is not None}
    known = authorization_statements.find_all(organization_id=organization_id, ids=ids)

    def found(each: Asked) -> Authorization:
        if each.authorization_id is None or each.authorization_id not in known:
            raise doors.unknown_authorization()
        return known[each.authorization_id]

    return found


def _decided[Read](
    asked: Sequence[Asked],
    read: Callable[[Asked], Read],
    decide: Callable[[list[Read]], Sequence[Done | Exception]],
    answer: Callable[[Any], Answer],
) -> list[Rendered]:
    """Read each request, decide together those that could be read, and answer all of them."""
    answers: list[Rendered | None] = []
    works = []
    for each in asked:
        try:
            works.append(read(each))
            answers.append(None)
        except APIException as error:
            answers.append(_refused(error))
    decided = iter(decide(works) if works else ())
    return [_told(next(decided), answer) if refused is None else refused for refused in answers]


def _told(done: Done | Exception, answer: Callable[[Any], Answer]) -> Rendered:
    if isinstance(done, Done):
        return _rendered(answer(done), firings=done.firings)
    return _refused(doors.refusal(done))


# Balances.


def tell_balances(
    organization_id: uuid.UUID, external_ids: Sequence[str], at: dt.datetime
) -> list[Rendered]:
    """Tell what these customers hold."""
    balances = accounts_api.balances_of(organization_id, set(external_ids), at=at)
    return [
        _rendered(Answer(status=200, payload=balances[each]))
        if each in balances
        else _refused(accounts_api.unknown_customer())
        for each in external_ids
    ]
