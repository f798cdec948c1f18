"""What a browser sends from the page of a draft."""

from typing import Any

from django.test import Client
from django.urls import reverse

from pricing.admin.price_fields import fields_of
from pricing.models import PlanVersion, Price
from tests.accounts.admin_worlds import page

BLANK = {**fields_of({"charge_model": "per_unit"}), "settle": "on_event"}
_TERMS = {
    "billing_interval": "month", "shortfall_policy": "block", "overdraft_limit": "0",
    "trial_days": "0", "base_fee_amount": "0", "base_fee_asset": "", "base_fee_timing": "advance",
    "seat_fee_amount": "0", "seat_fee_asset": "", "seat_fee_timing": "advance",
    "included_seats": "0",
}  # fmt: skip


def price_fields(number: int, price: Price | None = None, **typed: Any) -> dict[str, Any]:
    """Return the fields of one price; a field typed as None is an unticked box."""
    fields: dict[str, Any] = {**BLANK}
    if price is not None:
        fields |= {"id": price.pk, "meter": price.meter_id, "asset": price.asset_id}
        fields |= {"settle": price.settle, **fields_of(price.definition)}
    fields |= typed
    kept = {name: value for name, value in fields.items() if (name, value) != ("true_up", "")}
    return {f"prices-{number}-{name}": value for name, value in kept.items()}


def rows_of(prefix: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """Return rows that are new, such as included credits."""
    form: dict[str, Any] = {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": 0,
    }
    for number, row in enumerate(rows):
        form |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return form


def typed(
    *prices: dict[str, Any], saved: int = 0, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the whole form of a draft with these prices, `saved` of them stored."""
    form: dict[str, Any] = {
        **_TERMS,
        **rows_of("included_credits"),
        **rows_of("entitlements"),
        "prices-TOTAL_FORMS": len(prices),
        "prices-INITIAL_FORMS": saved,
    }
    for price in prices:
        form |= price
    return {**form, **(more or {})}


def edit(browser: Client, draft: PlanVersion, data: dict[str, Any], **headers: str) -> Any:
    """Send the form."""
    return browser.post(page(PlanVersion, "change", draft.pk), data, headers=headers)


def version_page(version: PlanVersion, name: str) -> str:
    """Return the address of a page around a version."""
    return reverse(f"admin:pricing_planversion_{name}", args=[version.pk])
