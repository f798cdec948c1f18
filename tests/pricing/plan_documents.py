"""A plan that says everything a plan can say."""

from typing import Any


def full_plan(**changes: Any) -> dict[str, Any]:
    """Return the plan's document with every default spelled out."""
    return {
        "code": "studio",
        "name": "Studio",
        "billing_interval": "month",
        "shortfall_policy": "overdraft",
        "overdraft_limit": "25",
        "effective_from": None,
        "trial_days": 14,
        "base_fee": {"amount": "20.5", "asset": "USD", "timing": "arrears"},
        "seats": {"amount": "15", "asset": "USD", "timing": "advance", "included": 2},
        "included_credits": [
            credit(asset="credits", amount="500", rollover_limit="1000", per_seat=True),
            credit(expires="after_days", expires_after_days=30, rollover_limit="unlimited"),
            credit(every="day", limit_per_month="30", priority=7, meters=["video_minutes"]),
        ],
        "entitlements": [
            {"feature": "context", "kind": "static", "value": "200000"},
            {"feature": "minutes", "kind": "metered", "meter": "video_minutes", "limit": "300"},
            {
                "feature": "models",
                "kind": "values",
                "property": "model",
                "values": ["opus", "haiku"],
            },
            {"feature": "sso", "kind": "boolean", "enabled": False},
        ],
        "assets": [
            {"code": "USD", "name": "US dollar", "scale": 2, "is_currency": True},
            {"code": "credits", "name": "credits", "scale": 0, "is_currency": False},
        ],
        "meters": [meter()],
        "prices": [
            price(),
            price(asset="credits", definition={"charge_model": "per_unit", "unit_amount": "3"}),
        ],
        **changes,
    }


def credit(**changes: Any) -> dict[str, Any]:
    """Return an included credit: 5 USD a period."""
    return {
        "asset": "USD",
        "amount": "5",
        "every": "period",
        "per_seat": False,
        "expires": "period_end",
        "expires_after_days": None,
        "rollover_limit": None,
        "limit_per_month": None,
        "priority": 50,
        "meters": [],
        **changes,
    }


def meter(**changes: Any) -> dict[str, Any]:
    """Return a meter: the minutes of rendered videos."""
    return {
        "code": "video_minutes",
        "name": "Video minutes",
        "unit": "minute",
        "event_type": "video.rendered",
        "aggregation": "sum",
        "quantity_property": "minutes",
        "expression": "",
        "filters": {"status": "ok"},
        "weighted_by": "period",
        **changes,
    }


def price(*, definition: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a price: a dollar a minute."""
    return {
        "meter": "video_minutes",
        "asset": "USD",
        "settle": "on_event",
        **(definition or {"charge_model": "per_unit", "unit_amount": "1"}),
        **changes,
    }
