"""Limits of a customer: spend caps with what they hold, and the switch that stops all usage.

The customer's own people set and lift the customer's caps; those of the organization they only
see. Every change is a form that is posted, so that nothing here needs a script.
"""

import uuid
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import customers, tenancy
from accounts.models import Asset, Customer
from accounts.tenant_admin.amounts import AmountInput
from billing_site.dashboard import access, customer_tabs
from billing_site.dashboard.access import PageRequest, sign_in_required
from metering import cap_words, caps
from metering.models import CapOwner, SpendCap
from metering.spend_caps import Window
from pricing.models import Meter, Price, Subscription

CAPS_MAX = 50
_GET_OR_POST = require_http_methods(["GET", "HEAD", "POST"])


class CapForm(forms.Form):
    """A new cap of a customer: on an asset the customer has, or on a meter of the plan."""

    counts = forms.ChoiceField(label="What to limit")
    limit = AmountInput(label="At most")
    window = forms.ChoiceField(label="In what time", choices=list(cap_words.SPANS.items()))
    property_name = forms.CharField(
        label="Apart by (optional)",
        max_length=100,
        required=False,
        help_text="A property of the events, such as team: each of its values has the whole limit.",
    )
    name = forms.CharField(label="Name (optional)", max_length=200, required=False)

    def __init__(self, customer: Customer, data: QueryDict | None = None) -> None:
        super().__init__(data, label_suffix="")
        self.customer = customer
        self.assets = {f"asset:{asset.code}": asset for asset in _assets(customer)}
        self.meters = {f"meter:{meter.code}": meter for meter in _meters(customer)}
        self.fields["counts"].choices = [  # type: ignore[attr-defined]
            *((value, f"{asset.code} spent") for value, asset in self.assets.items()),
            *((value, str(meter)) for value, meter in self.meters.items()),
        ]
        self.fields["window"].initial = Window.MONTH

    def clean_limit(self) -> Any:
        """Refuse a limit below zero."""
        limit = self.cleaned_data["limit"]
        if limit < 0:
            raise forms.ValidationError("This must be zero or more.")
        return limit

    def clean(self) -> dict[str, Any]:
        """Refuse more caps than anybody needs, since every event is held against all of them."""
        cleaned = super().clean() or self.cleaned_data
        in_force = SpendCap.objects.filter(customer=self.customer, is_active=True)
        if in_force.count() >= CAPS_MAX:
            raise forms.ValidationError(f"There are {CAPS_MAX} limits already. Lift one first.")
        return cleaned

    def terms(self) -> dict[str, Any]:
        """Return what was asked for as `caps.set_cap` takes it."""
        asked = dict(self.cleaned_data)
        counts = asked.pop("counts")
        return {**asked, "asset": self.assets.get(counts), "meter": self.meters.get(counts)}


def _assets(customer: Customer) -> list[Asset]:
    accounts = customer.accounts.select_related("asset").order_by("-version", "asset__code")
    return [account.asset for account in accounts]


def _meters(customer: Customer) -> list[Meter]:
    versions = Subscription.objects.for_organization(customer.organization_id).filter(
        customer=customer, ended_at=None
    )
    prices = Price.objects.for_organization(customer.organization_id).filter(
        plan_version__in=versions.values("plan_version")
    )
    meters = Meter.objects.for_organization(customer.organization_id).filter(
        id__in=prices.order_by().values("meter")
    )
    return list(meters.order_by("name", "code"))


@never_cache
@_GET_OR_POST
@sign_in_required
def limits(request: PageRequest, customer_id: uuid.UUID) -> HttpResponse:
    """Show a customer's limits; a posted form sets one more."""
    customer, is_operator = access.find_customer(request.user, customer_id=customer_id)
    may_change = access.may_change(request.user, customer, is_operator=is_operator)
    with tenancy.transaction_for(customer.organization_id):
        form = CapForm(customer, request.POST if request.method == "POST" else None)
        if form.is_bound and not may_change:
            raise PermissionDenied
        if form.is_bound and form.is_valid():
            owner = CapOwner.ORGANIZATION if is_operator else CapOwner.CUSTOMER
            caps.set_cap(customer=customer, owner=owner, at=timezone.now(), **form.terms())
            return redirect("customer-limits", customer_id=customer.id)
        context = customer_tabs.context(customer, is_operator=is_operator, tab="limits") | {
            "form": form,
            "may_change": may_change,
            "states": caps.states(customer=customer, at=timezone.now()),
        }
    status = 422 if form.is_bound else 200
    return render(request, "dashboard/limits.html", context, status=status)


@never_cache
@_GET_OR_POST
@sign_in_required
def lift(request: PageRequest, customer_id: uuid.UUID, cap_id: uuid.UUID) -> HttpResponse:
    """Ask whether a limit should go, and lift it when the answer is posted."""
    customer, is_operator = _changeable(request, customer_id)
    with tenancy.transaction_for(customer.organization_id):
        cap = (
            SpendCap.objects.for_organization(customer.organization_id)
            .filter(customer=customer, id=cap_id, is_active=True)
            .select_related("asset", "meter")
            .first()
        )
        if cap is None:
            raise Http404
        if cap.owner != CapOwner.CUSTOMER and not is_operator:
            raise PermissionDenied
        if request.method == "POST":
            caps.lift_cap(cap)
            return redirect("customer-limits", customer_id=customer.id)
    context = customer_tabs.context(customer, is_operator=is_operator, tab="limits") | {"cap": cap}
    return render(request, "dashboard/lift_limit.html", context)


@never_cache
@_GET_OR_POST
@sign_in_required
def stop(request: PageRequest, customer_id: uuid.UUID) -> HttpResponse:
    """Ask whether all usage should stop, and stop it when the answer is posted."""
    customer, is_operator = _changeable(request, customer_id)
    if request.method == "POST":
        customers.stop_usage(customer=customer, at=timezone.now())
        return redirect("customer-limits", customer_id=customer.id)
    context = customer_tabs.context(customer, is_operator=is_operator, tab="limits")
    return render(request, "dashboard/stop_usage.html", context)


@never_cache
@_GET_OR_POST
@sign_in_required
def resume(request: PageRequest, customer_id: uuid.UUID) -> HttpResponse:
    """Ask whether usage should go on, and let it when the answer is posted."""
    customer, is_operator = _changeable(request, customer_id)
    if request.method == "POST":
        customers.resume_usage(customer=customer)
        return redirect("customer-limits", customer_id=customer.id)
    context = customer_tabs.context(customer, is_operator=is_operator, tab="limits")
    return render(request, "dashboard/resume_usage.html", context)


def _changeable(request: PageRequest, customer_id: uuid.UUID) -> tuple[Customer, bool]:
    customer, is_operator = access.find_customer(request.user, customer_id=customer_id)
    if not access.may_change(request.user, customer, is_operator=is_operator):
        raise PermissionDenied
    return customer, is_operator
