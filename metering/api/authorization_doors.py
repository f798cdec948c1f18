"""What both doors make of a request about authorizations, and how they answer it.

Nothing here knows a framework's request or response. What is wrong with a request is raised as the
framework's own error, which `accounts.problems` words.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rest_framework import serializers

from accounts import money
from accounts.models import Customer, OnExpiry
from accounts.problems import Problem
from metering import event_drafts
from metering.api.authorization_serializers import (
    ITEMS_MAX,
    SECONDS_DEFAULT,
    SECONDS_MAX,
    AuthorizationRequest,
    CaptureRequest,
    ExtensionRequest,
)
from metering.api.events import Answer, batch_results
from metering.authorization_sets import WorkDone, WorkToCome
from metering.authorization_statements import Described
from metering.authorizations import AuthorizationEnded, Done, NotHeld, Refused, TooLong, Unpriced
from metering.event_drafts import EventDraft, InvalidDraft
from metering.models import Authorization

INVALID = partial(Problem, 422, "invalid", "The request is not valid.")

_ASKED = frozenset({"customer", "items", "expires_in", "on_expiry"})
_CUSTOMER_LENGTH_MAX = 200

type Said = Mapping[str, Any]


# Requests.


def read_work(data: Any) -> Said:
    """Check the shape of a request to authorize work. Raises ValidationError.

    What most requests are is seen at a glance; the form looks at the others, and words what is
    wrong with them.
    """
    if _is_plain_work(data):
        return {"expires_in": SECONDS_DEFAULT, "on_expiry": OnExpiry.RELEASE, **data}
    return _checked(AuthorizationRequest(data=data))


def _is_plain_work(data: Any) -> bool:
    if not isinstance(data, dict) or not data.keys() <= _ASKED:
        return False
    customer, items = data.get("customer"), data.get("items")
    expires_in = data.get("expires_in", SECONDS_DEFAULT)
    return (
        isinstance(customer, str)
        and 0 < len(customer) <= _CUSTOMER_LENGTH_MAX
        and customer.isascii()
        and customer.isprintable()
        and not customer.isspace()
        and isinstance(items, list)
        and 0 < len(items) <= ITEMS_MAX
        and type(expires_in) is int
        and 0 < expires_in <= SECONDS_MAX
        and data.get("on_expiry", OnExpiry.RELEASE) in _ON_EXPIRY
    )


_ON_EXPIRY = tuple(OnExpiry.values)


def read_capture(data: Any) -> Said:
    """Check the shape of a capture. Raises ValidationError."""
    return _checked(CaptureRequest(data=data))


def read_extension(data: Any) -> Said:
    """Check the shape of an extension. Raises ValidationError."""
    return _checked(ExtensionRequest(data=data))


def _checked(form: serializers.Serializer[Any]) -> Said:
    form.is_valid(raise_exception=True)
    checked: Said = form.validated_data
    return checked


def unknown_customer() -> Problem:
    """Say that the customer of a request is none of the organization's."""
    return INVALID(errors=[("customer", "is not a customer of your organization")])


def unknown_authorization() -> Problem:
    """Say that the address is that of no authorization."""
    return Problem(404, "not_found", "There is no authorization with this id.")


def work_to_come(said: Said, *, customer: Customer, at: dt.datetime) -> WorkToCome:
    """Return the work that a checked request asks about. Raises Problem."""
    return WorkToCome(
        customer=customer,
        drafts=drafts_of("items", said["items"], customer=customer, at=at),
        expires_in=dt.timedelta(seconds=said["expires_in"]),
        on_expiry=said["on_expiry"],
    )


def work_done(said: Said, *, authorization: Authorization, at: dt.datetime) -> WorkDone:
    """Return what a checked capture tells. Raises Problem."""
    drafts = drafts_of(
        "events",
        said["events"],
        customer=authorization.customer,
        captured_from=authorization.id,
        at=at,
    )
    return WorkDone(authorization=authorization, drafts=drafts, final=said["final"])


def terms_of_extension(
    said: Said, *, authorization: Authorization, at: dt.datetime
) -> dict[str, Any]:
    """Return what a checked extension asks of `authorizations.extend`. Raises Problem."""
    customer, seconds = authorization.customer, said.get("expires_in")
    return {
        "authorization": authorization,
        "drafts": drafts_of("items", said.get("items", ()), customer=customer, at=at),
        "expires_in": dt.timedelta(seconds=seconds) if seconds is not None else None,
    }


def drafts_of(
    name: str,
    raws: Sequence[object],
    *,
    customer: Customer,
    at: dt.datetime,
    captured_from: uuid.UUID | None = None,
) -> list[EventDraft]:
    """Check events, of work to come or of work captured. Raises Problem that names each mistake."""
    parsed: list[EventDraft | InvalidDraft] = []
    for raw in raws:
        if captured_from is None:
            parsed.append(event_drafts.parse_question(raw, customer=customer.external_id, at=at))
        else:
            parsed.append(
                event_drafts.parse_captured(
                    raw, customer=customer.external_id, authorization=captured_from, at=at
                )
            )
    errors = [
        (f"{name}[{place}].{error.field}", error.reason)
        for place, draft in enumerate(parsed)
        if isinstance(draft, InvalidDraft)
        for error in draft.errors
    ]
    if errors:
        raise INVALID(errors=errors)
    return [draft for draft in parsed if isinstance(draft, EventDraft)]


# Answers.


def refusal(error: Exception) -> Problem:
    """Word what a verb refuses. Raises the error itself when that is none of its own."""
    match error:
        case AuthorizationEnded():
            detail = f"The authorization is {error.state}."
            return Problem(409, "authorization_ended", detail, state=error.state)
        case TooLong():
            return INVALID(errors=[("expires_in", str(error))])
        case NotHeld():
            return INVALID(errors=[(f"amounts.{error.asset}"[:100], str(error)[:200])])
        case Unpriced():
            first = error.reasons[0][1]
            reasons = [(name, reason.detail) for name, reason in error.reasons]
            return Problem(422, first.reason, first.detail, errors=reasons)
        case Refused():
            return _refused(error)
    raise error


def _refused(error: Refused) -> Problem:
    reasons_told = [each.to_wire() for each in error.refusals]
    binding: dict[str, Any] = dict(reasons_told[0])
    kind, detail = binding.pop("reason"), binding.pop("detail")
    errors = [(each.field, each.detail) for each in error.refusals if each.field]
    return Problem(402, kind, detail, errors=errors, **binding, refusals=reasons_told)


def made(done: Done) -> Answer:
    """Answer a request to authorize that may go ahead."""
    location = f"/api/v1/authorizations/{done.authorization.row.id}"
    payload = written(done.authorization)
    return Answer(status=201, payload=payload, headers={"Location": location})


def stands(done: Done) -> Answer:
    """Answer a verb with the authorization as it stands."""
    return Answer(status=200, payload=written(done.authorization))


def captured(done: Any) -> Answer:
    """Answer a capture with the authorization and what became of each event."""
    return Answer(
        status=200, payload={**written(done.authorization), **batch_results(done.outcomes)}
    )


def written(described: Described) -> dict[str, Any]:
    """Write an authorization as `AuthorizationDetailSerializer` documents it."""
    row = described.row
    return {
        "id": str(row.id),
        "state": described.state,
        "customer": row.customer.external_id,
        "quote": row.quote,
        "held": _amounts(described.held),
        "captured": _amounts(described.captured),
        "reported": _amounts(described.reported),
        "pays": [
            {
                "grant": str(draw.grant_id) if draw.grant_id else None,
                "name": described.names.get(draw.grant_id, "") if draw.grant_id else "",
                "category": draw.category,
                "asset": draw.asset,
                "amount": money.to_wire(draw.amount),
                "expires_at": _moment(draw.expires_at),
            }
            for draw in described.pays
        ],
        "items": row.items,
        "created_at": _moment(row.created_at),
        "expires_at": _moment(row.expires_at),
        "ended_at": _moment(described.ended_at),
        "on_expiry": row.on_expiry,
    }


def _amounts(by_asset: Mapping[str, Any]) -> dict[str, str]:
    return {asset: money.to_wire(amount) for asset, amount in by_asset.items()}


def _moment(at: dt.datetime | None) -> str | None:
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z") if at is not None else None
