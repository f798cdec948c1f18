"""Reading the documents: the header strictly and typed, the plan as the document it is."""

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from accounts import exact_json

DOCUMENTS = Path(__file__).parent / "documents"
HEADER = "template"


class TemplateUnknown(LookupError):
    """There is no template of that id."""


class TemplateBroken(ValueError):
    """A document has no header that can be read; the message says where and why."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who published the prices and on which page; "" for an example that is nobody's list."""

    publisher: str
    page: str


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template; `plan` is a document in the form of a plan, without the header.

    `as_of` is the day for which the prices are known, not a promise that they still hold. Whoever
    changes `plan` copies it first: it is read once and shared.
    """

    id: str
    title: str
    summary: str
    source: Source
    as_of: dt.date
    notes: tuple[str, ...]
    plan: dict[str, Any]


def read(content: bytes) -> Template:
    """Read one document.

    Raises TemplateBroken for a header that lacks or misspells something. What the plan says is
    checked where plans are read, not here.
    """
    try:
        document = exact_json.decode(content)
        header = document.pop(HEADER)
        return msgspec.convert({**header, "plan": document}, Template)
    except (exact_json.JSONInvalid, msgspec.ValidationError) as error:
        raise TemplateBroken(str(error)) from error
    except (AttributeError, KeyError, TypeError) as error:
        raise TemplateBroken(f"is no object with a {HEADER}") from error


@cache
def all_templates() -> tuple[Template, ...]:
    """Return every template, by title."""
    templates = [read(path.read_bytes()) for path in DOCUMENTS.glob("*.json")]
    return tuple(sorted(templates, key=lambda template: (template.title.lower(), template.id)))


def find(template_id: str) -> Template:
    """Return the template of that id. Raises TemplateUnknown."""
    for template in all_templates():
        if template.id == template_id:
            return template
    raise TemplateUnknown(f"there is no template {template_id}")
