"""Event drafts: what an integrator sent, checked and ready to be recorded.

An event's identity is its source and id together. It is kept as 16 bytes: an id that is a UUID
stays what it is, so that time-ordered ids keep the index warm; anything else becomes a 128-bit
hash. The text itself is stored beside it.
"""

import datetime as dt
import hashlib
import itertools
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from accounts import exact_json, timestamps

TEXT_LENGTH_MAX = 200
PROPERTIES_BYTES_MAX = 64 * 1024
UNKNOWN_FIELDS_NAMED = 20
FUTURE_TOLERANCE = dt.timedelta(hours=1)

_FIELDS = {
    "id", "type", "customer", "timestamp", "properties", "source", "authorization", "backfill",
}  # fmt: skip
# Halves of a character count as well: alone they cannot be encoded, let alone stored.
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class FieldError(NamedTuple):
    """A mistake and the field it is in."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """One event as sent; `occurred_at` is None when the integrator left the time to us.

    `authorization` is what its work was authorized by, when it was; `is_backfill` says that it
    reports old usage on purpose.
    """

    key: uuid.UUID
    external_id: str
    source: str
    type: str
    customer: str
    occurred_at: dt.datetime | None
    properties: Mapping[str, Any]
    payload_hash: bytes
    authorization: uuid.UUID | None = None
    is_backfill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidDraft:
    """An event that cannot be recorded as sent; `external_id` as far as it could be read."""

    external_id: str | None
    errors: tuple[FieldError, ...]


def event_key(*, source: str, external_id: str) -> uuid.UUID:
    """Return the 16-byte identity of an event."""
    if not source and _CANONICAL_UUID.fullmatch(external_id):
        return uuid.UUID(external_id)
    text = f"{len(source)}:{source}{external_id}".encode()
    return uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16).digest())


def parse(raw: object, *, at: dt.datetime) -> EventDraft | InvalidDraft:
    """Check one event. `at` is the moment of receipt; times far beyond it are refused."""
    if not isinstance(raw, Mapping):
        return InvalidDraft(external_id=None, errors=(FieldError("event", "must be an object"),))
    unknown = (name for name in raw if name not in _FIELDS)
    errors: list[FieldError] = [
        FieldError(str(name)[:TEXT_LENGTH_MAX], "is not a field of an event")
        for name in itertools.islice(unknown, UNKNOWN_FIELDS_NAMED)
    ]
    external_id = _text(raw, "id", errors)
    event_type = _text(raw, "type", errors)
    customer = _text(raw, "customer", errors)
    source = _text(raw, "source", errors) if raw.get("source") is not None else ""
    occurred_at = _timestamp(raw.get("timestamp"), errors, at=at)
    properties = _properties(raw.get("properties"), errors)
    authorization = _authorization(raw.get("authorization"), errors)
    is_backfill = _backfill(raw, errors)
    if errors:
        return InvalidDraft(external_id=external_id or None, errors=tuple(errors))
    return EventDraft(
        key=event_key(source=source, external_id=external_id),
        external_id=external_id,
        source=source,
        type=event_type,
        customer=customer,
        occurred_at=occurred_at,
        properties=properties,
        payload_hash=_hash(
            external_id, source, event_type, customer, occurred_at, properties,
            # Only when there is one, so that other events keep the hashes they were stored with.
            *([{"authorization": str(authorization)}] if authorization is not None else []),
            *([{"backfill": True}] if is_backfill else []),
        ),
        authorization=authorization,
        is_backfill=is_backfill,
    )  # fmt: skip


def parse_question(raw: object, *, customer: str, at: dt.datetime) -> EventDraft | InvalidDraft:
    """Check an event that is only asked about: `customer` is known, and it needs no id yet.

    One without an id is answered with an empty `external_id`.
    """
    if not isinstance(raw, Mapping):
        return parse(raw, at=at)
    if raw.get("authorization") is not None:
        error = FieldError("authorization", "is for events that have happened")
        return InvalidDraft(external_id=None, errors=(error,))
    draft = parse({"id": "asked", "customer": customer, **raw}, at=at)
    external_id = draft.external_id if "id" in raw else None
    if isinstance(draft, InvalidDraft):
        return InvalidDraft(external_id=external_id, errors=draft.errors)
    if draft.customer != customer:
        error = FieldError("customer", "must be the customer who is asked about, or left out")
        return InvalidDraft(external_id=external_id, errors=(error,))
    return replace(draft, external_id=external_id or "")


def parse_captured(
    raw: object, *, customer: str, authorization: uuid.UUID, at: dt.datetime
) -> EventDraft | InvalidDraft:
    """Check an event of the work that `authorization` let `customer` do; it need not name them.

    It is the same event as one sent with both of them in it.
    """
    if not isinstance(raw, Mapping):
        return parse(raw, at=at)
    known = {"customer": customer, "authorization": str(authorization)}
    draft = parse({**known, **raw}, at=at)
    if isinstance(draft, InvalidDraft):
        return draft
    sent = {"customer": draft.customer, "authorization": str(draft.authorization)}
    errors = tuple(
        FieldError(name, "must be the authorization's own, or left out")
        for name, value in known.items()
        if sent[name] != value
    )
    return InvalidDraft(external_id=draft.external_id, errors=errors) if errors else draft


def _text(raw: Mapping[str, Any], name: str, errors: list[FieldError]) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value:
        errors.append(FieldError(name, "is required, as a text"))
    elif len(value) > TEXT_LENGTH_MAX:
        errors.append(FieldError(name, f"must have at most {TEXT_LENGTH_MAX} characters"))
    elif _CONTROL_CHARACTER.search(value):
        errors.append(FieldError(name, "must not contain control characters"))
    else:
        return value
    return ""


def _timestamp(value: object, errors: list[FieldError], *, at: dt.datetime) -> dt.datetime | None:
    if value is None:
        return None
    try:
        moment = timestamps.parse(value)
    except timestamps.TimestampInvalid as error:
        errors.append(FieldError("timestamp", str(error)))
        return None
    if moment > at + FUTURE_TOLERANCE:
        errors.append(FieldError("timestamp", "must not be more than an hour in the future"))
    return moment


def _properties(value: object, errors: list[FieldError]) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        errors.append(FieldError("properties", "must be an object"))
        return {}
    try:
        exact_json.check_storable(value)
    except exact_json.JSONInvalid as error:
        errors.append(FieldError("properties", str(error)))
        return {}
    if len(exact_json.encode(value)) > PROPERTIES_BYTES_MAX:
        errors.append(FieldError("properties", "must not be larger than 64 KiB"))
    return value


def _backfill(raw: Mapping[str, Any], errors: list[FieldError]) -> bool:
    value = raw.get("backfill")
    if value is not None and not isinstance(value, bool):
        errors.append(FieldError("backfill", "must be true or false"))
        return False
    if value and raw.get("timestamp") is None:
        errors.append(FieldError("timestamp", "is required of a backfill: when was it used?"))
    return bool(value)


def _authorization(value: object, errors: list[FieldError]) -> uuid.UUID | None:
    if value is None:
        return None
    if isinstance(value, str) and _CANONICAL_UUID.fullmatch(value):
        return uuid.UUID(value)
    errors.append(FieldError("authorization", "must be the id of an authorization"))
    return None


def _hash(*payload: object) -> bytes:
    """Hash what makes two payloads the same: equal values, whatever the order of keys."""
    return hashlib.blake2b(exact_json.encode(payload), digest_size=16).digest()
