"""Every address of the site, found by asking the resolver, so that none can be forgotten."""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from django.apps import apps
from django.contrib import admin
from django.contrib.admindocs.views import simplify_regex
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.http import urlsafe_base64_encode

from accounts.models import CreditGrant, Customer, Parking
from invoicing.models import Invoice
from metering.models import Authorization, BacktestRun, DeadLetter, Event, SpendCap
from pricing.models import CostRate, Plan, PlanVersion, Subscription
from tests.tenancy.neighbours import (
    OWN_CUSTOMER,
    OWN_EVENT,
    OWN_PLAN,
    SHARED_CUSTOMER,
    SHARED_EVENT,
    SHARED_PLAN,
    Neighbour,
)

_ROWS: dict[str, type[models.Model]] = {
    "authorization_id": Authorization,
    "backtest_id": BacktestRun,
    "cap_id": SpendCap,
    "customer_id": Customer,
    "grant_id": CreditGrant,
    "invoice_id": Invoice,
    "parking_id": Parking,
    "letter_id": DeadLetter,
    "plan_id": Plan,
    "rate_id": CostRate,
    "subscription_id": Subscription,
    "version_id": PlanVersion,
}
_PERSON = urlsafe_base64_encode(b"0190a0f0-0000-7000-8000-000000000000")
_TOKEN = "c0ffee-0123456789abcdef0123456789abcdef"
_PUBLIC = {SHARED_CUSTOMER, SHARED_EVENT, SHARED_PLAN, "1", "nonsense", _PERSON, _TOKEN}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class Address(NamedTuple):
    """A path, the name of its pattern, and whether only the owner of its ids may open it."""

    path: str
    name: str
    is_private: bool

    @property
    def is_api(self) -> bool:
        """Whether keys open it, not sessions."""
        return self.path.startswith("/api/v1/")


def all_addresses(owner: Neighbour) -> list[Address]:
    """Return every address, with ids that belong to `owner` wherever an id can stand.

    Customers and events appear under an id the other organization uses too, and under one it does
    not. Raises LookupError for a parameter nobody has told what to put into.
    """
    return [
        address
        for route, name in _routes(get_resolver())
        for address in _filled(route, name, owner)
    ]


def _routes(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        route = prefix.rstrip("/") + "/" + _route(str(pattern.pattern)).lstrip("/")
        if isinstance(pattern, URLPattern):
            yield route, pattern.name or ""
        else:
            yield from _routes(pattern, route)


def _route(pattern: str) -> str:
    """Return a pattern written as a route, whether it is one or a regular expression."""
    is_regex = pattern.startswith("^") or pattern.endswith("$")
    return str(simplify_regex(pattern)) if is_regex else pattern


def _filled(route: str, name: str, owner: Neighbour) -> Iterator[Address]:
    parameters = _PARAMETER.findall(route)
    choices = [_values(parameter, route, name, owner) for parameter in parameters]
    for values in itertools.product(*choices):
        path = route
        for value in values:
            path = _PARAMETER.sub(quote(value, safe=""), path, count=1)
        yield Address(path, name, is_private=not set(values) <= {*_PUBLIC, *_labels()})


def _values(parameter: str, route: str, name: str, owner: Neighbour) -> list[str]:
    if parameter == "external_id":
        is_event = "/events/" in route
        return [SHARED_EVENT, OWN_EVENT] if is_event else [SHARED_CUSTOMER, OWN_CUSTOMER]
    if parameter in {"object_id", "id"}:
        return _ids(owner, _model_of(route))
    if parameter == "key":
        return [str(key) for key in owner.rows(Event).values_list("key", flat=True)]
    if parameter in _ROWS:
        return _ids(owner, _ROWS[parameter])
    plain = {
        "organization": [owner.organization.slug],
        "code": [SHARED_PLAN, OWN_PLAN],
        "number": ["1"],
        "uidb64": [_PERSON],
        "token": [_TOKEN],
        "app_label": _labels(),
        "url": ["nonsense"],
    }
    if parameter not in plain:
        raise LookupError(f"{route} ({name}): nobody has said what {parameter} may be")
    return plain[parameter]


def _labels() -> list[str]:
    return sorted({model._meta.app_label for model in admin.site._registry})


def _model_of(route: str) -> type[models.Model]:
    """Return the model whose admin page a route is: /admin/<app>/<model>/<object_id>/…"""
    _, _, app_label, model_name, *_ = route.split("/")
    return apps.get_model(app_label, model_name)


def _ids(owner: Neighbour, model: type[models.Model]) -> list[str]:
    ids = [str(pk) for pk in owner.rows(model).values_list("pk", flat=True)]
    if not ids:
        raise LookupError(f"the marked organization has no {model._meta.verbose_name}")
    return ids
