"""Pages and forms under hostile parameters, for somebody who may open them all."""

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from tests.tenancy.addresses import all_addresses
from tests.tenancy.neighbours import Neighbour

pytestmark = pytest.mark.django_db

HOSTILE = {
    "NUL": "\0",
    "endless": "9" * 5000,
    "deep": "[" * 12_000,
    "odd": "'\"><script>٥\u202e{}%00",
    "empty": "",
}
QUERY_NAMES = ["q", "page", "p", "o", "next", "e", "_to_field", "_popup", "all", "_facets",
               "app_label", "model_name", "field_name", "term", "id__exact", "state__exact",
               "plan__id__exact", "customer", "cursor", "limit", "format", "asset",
               "kind", "from", "through", "before", "type", "day"]  # fmt: skip

FORM_NAMES = ["username", "password", "organization", "email", "name", "matrix", "prices-0-id",
              "prices-TOTAL_FORMS", "prices-INITIAL_FORMS", "action", "_selected_action",
              "index", "template", "counts", "limit", "window", "property_name"]  # fmt: skip


def form_names(address: str) -> list[str]:
    """Return the names of fields of the model an admin page is about, and some others."""
    _, _, *parts = address.split("/")
    models: list[type[Model]] = [
        model
        for model in admin.site._registry
        if parts[:2] == [model._meta.app_label, model._meta.model_name]
    ]
    fields = [field.name for model in models for field in model._meta.fields]
    return [*fields, *FORM_NAMES]


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_parameters_break_no_page(theirs: Neighbour, hostile: str) -> None:
    client = Client()
    client.force_login(theirs.owner)
    for address in all_addresses(theirs):
        if address.is_api or address.name in {"logout", "schema", "docs"}:
            continue
        for answer in (
            client.get(address.path, dict.fromkeys(QUERY_NAMES, hostile[:500])),
            client.post(address.path, dict.fromkeys(form_names(address.path), hostile)),
        ):
            assert answer.status_code < 500, address
