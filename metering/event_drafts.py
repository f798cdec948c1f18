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
from typing import Any, NamedTuple

import msgspec

from accounts import exact_json, timestamps

TEXT_LENGTH_MAX = 200
PROPERTIES_BYTES_MAX = 64 * 1024
UNKNOWN_FIELDS_NAMED = 20
FUTURE_TOLERANCE = dt.timedelta(hours=1)

_FIELDS = frozenset(
    {"id", "type", "customer", "timestamp", "properties", "source", "authorization", "backfill"}
)
# Halves of a character count as well: alone they cannot be encoded, let alone stored.
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_UUID_LENGTH = 36


class FieldError(NamedTuple):
    """A mistake and the field it is in."""

    field: str
    reason: str


class EventDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One event as sent; `occurred_at` is None when the integrator left the time to us.

    `properties_json` is `properties` as canonical JSON. `authorization` is what its work was
    authorized by, when it was; `is_backfill` says that it reports old usage on purpose.
    """

    key: uuid.UUID
    external_id: str
    source: str
    type: str
    customer: str
    occurred_at: dt.datetime | None
    properties: Mapping[str, Any]
    properties_json: str
    payload_hash: bytes
    authorization: uuid.UUID | None = None
    is_backfill: bool = False


class InvalidDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An event that cannot be recorded as sent; `external_id` as far as it could be read."""

    external_id: str | None
    errors: tuple[FieldError, ...]


def event_key(*, source: str, external_id: str) -> uuid.UUID:
    """Return the 16-byte identity of an event."""
    if not source:
        known = _canonical_uuid(external_id)
        if known is not None:
            return known
    text = f"{len(source)}:{source}{external_id}".encode()
    return uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16).digest())


def parse(raw: object, *, at: dt.datetime) -> EventDraft | InvalidDraft:
    """Check one event. `at` is the moment of receipt; times far beyond it are refused."""
    draft = _usual(raw, at=at) if isinstance(raw, dict) else None
    return draft or _judged(raw, at=at)


def _usual(raw: dict[str, Any], *, at: dt.datetime) -> EventDraft | None:
    """Read an event of which a few cheap looks prove that nothing is wrong, as with nearly all.

    None leaves the judgement to `_judged`, which takes the same events in the same way.
    """
    get = raw.get
    external_id, event_type, customer, source = (
        get("id"),
        get("type"),
        get("customer"),
        get("source"),
    )
    # An empty source is a mistake; none at all is not.
    source = "" if source is None else source or None
    if not (
        type(external_id) is type(event_type) is type(customer) is type(source) is str
        and 0 < len(external_id) <= TEXT_LENGTH_MAX
        and 0 < len(event_type) <= TEXT_LENGTH_MAX
        and 0 < len(customer) <= TEXT_LENGTH_MAX
        and len(source) <= TEXT_LENGTH_MAX
        and (external_id + event_type + customer + source).isprintable()
        and _FIELDS.issuperset(raw)
    ):
        return None
    errors: list[FieldError] = []
    draft = _drafted(raw, external_id, event_type, customer, source, errors=errors, at=at)
    return None if errors else draft


def _judged(raw: object, *, at: dt.datetime) -> EventDraft | InvalidDraft:
    """Read an event with care, and name whatever is wrong with it."""
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
    draft = _drafted(raw, external_id, event_type, customer, source, errors=errors, at=at)
    if errors:
        return InvalidDraft(external_id=external_id or None, errors=tuple(errors))
    return draft


def _drafted(
    raw: Mapping[str, Any],
    external_id: str,
    event_type: str,
    customer: str,
    source: str,
    *,
    errors: list[FieldError],
    at: dt.datetime,
) -> EventDraft:
    """Read the other fields beside texts that were checked; worth nothing if there are `errors`."""
    get = raw.get
    sent_at, named = get("timestamp"), get("authorization")
    occurred_at = _timestamp(sent_at, errors, at=at) if sent_at is not None else None
    properties, written = _properties(get("properties"), errors)
    authorization = _authorization(named, errors) if named is not None else None
    is_backfill = _backfill(raw, errors) if "backfill" in raw else False
    payload: list[Any] = [
        external_id,
        source,
        event_type,
        customer,
        occurred_at,
        msgspec.Raw(written),
    ]
    # Only when there is one, so that other events keep the hashes they were stored with.
    if authorization is not None:
        payload.append({"authorization": str(authorization)})
    if is_backfill:
        payload.append({"backfill": True})
    return EventDraft(
        key=event_key(source=source, external_id=external_id),
        external_id=external_id,
        source=source,
        type=event_type,
        customer=customer,
        occurred_at=occurred_at,
        properties=properties,
        properties_json=written.decode(),
        payload_hash=_hash(payload),
        authorization=authorization,
        is_backfill=is_backfill,
    )


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
    return msgspec.structs.replace(draft, external_id=external_id or "")


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
    try:
        moment = timestamps.parse(value)
    except timestamps.TimestampInvalid as error:
        errors.append(FieldError("timestamp", str(error)))
        return None
    if moment > at + FUTURE_TOLERANCE:
        errors.append(FieldError("timestamp", "must not be more than an hour in the future"))
    return moment


def _properties(value: object, errors: list[FieldError]) -> tuple[Mapping[str, Any], bytes]:
    """Return the properties, and how they are written."""
    if value is None:
        return {}, b"{}"
    if not isinstance(value, dict):
        errors.append(FieldError("properties", "must be an object"))
        return {}, b"{}"
    try:
        exact_json.check_storable(value)
    except exact_json.JSONInvalid as error:
        errors.append(FieldError("properties", str(error)))
        return {}, b"{}"
    written = exact_json.encode(value)
    if len(written) > PROPERTIES_BYTES_MAX:
        errors.append(FieldError("properties", "must not be larger than 64 KiB"))
    return value, written


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
    known = _canonical_uuid(value) if isinstance(value, str) else None
    if known is None:
        errors.append(FieldError("authorization", "must be the id of an authorization"))
    return known


def _canonical_uuid(text: str) -> uuid.UUID | None:
    """Read a UUID if it is written in the one way that its own text is."""
    if len(text) != _UUID_LENGTH or text[8] != "-" or text != text.lower():
        return None
    try:
        return msgspec.convert(text, uuid.UUID)
    except msgspec.ValidationError:
        return None


def _hash(payload: list[Any]) -> bytes:
    """Hash what makes two payloads the same: equal values, whatever the order of keys."""
    return hashlib.blake2b(exact_json.encode(payload), digest_size=16).digest()
