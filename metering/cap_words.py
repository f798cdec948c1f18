"""Spend caps in words: what one limits, written for people."""

from collections.abc import Iterator
from decimal import Decimal

from accounts import money
from metering.models import SpendCap
from metering.spend_caps import Window

SPANS = {
    Window.REQUEST: "in one request",
    Window.HOUR: "an hour",
    Window.DAY: "a day",
    Window.MONTH: "a month",
    Window.PERIOD: "a billing period",
}


def amount(cap: SpendCap, value: Decimal) -> str:
    """Write so much of what the cap counts; `cap` needs its asset and its meter."""
    if cap.asset is not None:
        return f"{money.to_display(value, scale=cap.asset.scale)} {cap.asset.code}"
    return f"{money.to_display(value, scale=0)} {cap.meter}"


def used(cap: SpendCap, value: Decimal) -> str:
    """Write how much of the limit is used, for example `18.12 of 50.00 USD used`."""
    scale = cap.asset.scale if cap.asset is not None else 0
    return f"{money.to_display(value, scale=scale)} of {amount(cap, cap.limit)} used"


def limit(cap: SpendCap) -> str:
    """Write the limit, for example `50.00 USD a day`."""
    return f"{amount(cap, cap.limit)} {SPANS[Window(cap.window)]}"


def scope(cap: SpendCap) -> str:
    """Write what the cap is about beside its limit, for example `for each team apart`."""
    return ", ".join(_scope(cap))


def _scope(cap: SpendCap) -> Iterator[str]:
    if cap.meter is not None and cap.asset is not None:
        yield f"of {cap.meter} only"
    if cap.property_value:
        yield f"where {cap.property_name} is {cap.property_value}"
    elif cap.property_name:
        yield f"for each {cap.property_name} apart"


def sentence(cap: SpendCap) -> str:
    """Write the whole cap as a sentence."""
    about = f", {scope(cap)}" if scope(cap) else ""
    return f"At most {limit(cap)}{about}."
