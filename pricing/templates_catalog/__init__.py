"""Plan templates: price lists as their vendors publish them, each with its source and its date.

A template is a document in the one form of a plan, in `documents/`, with a `template` header that
says where it comes from. It is a beginning: a plan made of it belongs to the organization, which
edits it as it likes; nothing leads back here.
"""

from pricing.templates_catalog.reading import (
    Source,
    Template,
    TemplateBroken,
    TemplateUnknown,
    all_templates,
    find,
    read,
)

__all__ = [
    "Source",
    "Template",
    "TemplateBroken",
    "TemplateUnknown",
    "all_templates",
    "find",
    "read",
]
