"""CloudEvents 1.0: another envelope around the same events, structured or in batches of JSON.

`subject` names the customer, `data` are the properties and `time` is the timestamp; `source` and
`id` together are the identity, as the specification has it. Extension attributes tell of the
journey (a trace, a partition key), not of the event, so they are left out: an event delivered twice
with two traces is still one event.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from accounts.parsers import ExactJSONParser
from metering import event_drafts
from metering.event_drafts import EventDraft, FieldError, InvalidDraft

_OUR_NAMES = {
    "id": "id",
    "source": "source",
    "type": "type",
    "subject": "customer",
    "time": "timestamp",
    "data": "properties",
}
_THEIR_NAMES = {ours: theirs for theirs, ours in _OUR_NAMES.items()}
_ATTRIBUTE_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
_JSON_TYPE = re.compile(r"(application|text)/json|[\w.-]+/[\w.-]+\+json", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CloudEvents:
    """A body in this format: its events as sent, one of them unless it is a batch."""

    raws: object
    is_batch: bool


class StructuredParser(ExactJSONParser):
    """Parses one event."""

    media_type = "application/cloudevents+json"
    is_batch = False

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body as CloudEvents, not checked yet. Raises ParseError and Problem."""
        raw = super().parse(stream, media_type, parser_context)
        return CloudEvents(raw if self.is_batch else [raw], self.is_batch)


class BatchParser(StructuredParser):
    """Parses an array of events."""

    media_type = "application/cloudevents-batch+json"
    is_batch = True


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject"],
    "properties": {
        "specversion": {"type": "string", "enum": ["1.0"]},
        "id": _text("Unique per source, for ever.", maxLength=200),
        "source": _text("Where the event comes from.", maxLength=200),
        "type": _text("What happened.", maxLength=200),
        "subject": _text("The customer's external id.", maxLength=200),
        "time": _text("When; by default the time of receipt.", format="date-time"),
        "datacontenttype": _text("A JSON type.", default="application/json"),
        "data": {"type": "object", "description": "The properties.", "additionalProperties": True},
    },
    "additionalProperties": True,
}
"""How the format is documented."""


def parse(raw: object, *, at: dt.datetime) -> EventDraft | InvalidDraft:
    """Check one event and translate it; mistakes are told in the names of the format."""
    if not isinstance(raw, Mapping):
        return event_drafts.parse(raw, at=at)
    ours = {name: raw[theirs] for theirs, name in _OUR_NAMES.items() if theirs in raw}
    draft = event_drafts.parse(ours, at=at)
    errors = list(_errors_of_envelope(raw))
    if isinstance(draft, InvalidDraft):
        errors += [FieldError(_THEIR_NAMES[field], reason) for field, reason in draft.errors]
    return InvalidDraft(external_id=draft.external_id, errors=tuple(errors)) if errors else draft


def _errors_of_envelope(raw: Mapping[Any, Any]) -> Iterator[FieldError]:
    if raw.get("specversion") != "1.0":
        yield FieldError("specversion", 'must be "1.0"')
    if raw.get("source") is None:
        yield FieldError("source", "is required, as a text")
    content_type = raw.get("datacontenttype")
    if content_type is not None and not _is_json(content_type):
        yield FieldError("datacontenttype", "must be a JSON type, for example application/json")
    if raw.get("data_base64") is not None:
        yield FieldError("data_base64", "is not taken; send data as a JSON object")
    for name in raw:
        if name != "data_base64" and not _ATTRIBUTE_NAME.fullmatch(name):
            reason = "is not the name of an attribute: those have small letters and digits only"
            yield FieldError(name[: event_drafts.TEXT_LENGTH_MAX], reason)


def _is_json(content_type: object) -> bool:
    media_type = content_type.partition(";")[0].strip() if isinstance(content_type, str) else ""
    return _JSON_TYPE.fullmatch(media_type) is not None
