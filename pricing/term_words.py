"""Terms in words: what a plan version says beside its prices, written for people."""

from collections.abc import Iterator
from decimal import Decimal

from accounts import money
from accounts.models import Asset
from pricing.models import Entitlement, EntitlementKind, IncludedCredit, PlanVersion, Rollover


def describe(version: PlanVersion) -> Iterator[tuple[str, str]]:
    """Yield every term of a version: what it is about, and what it says."""
    yield "Billing interval", version.get_billing_interval_display()
    yield "When credit runs out", version.get_shortfall_policy_display()
    if version.overdraft_limit:
        yield "Overdraft limit", money.to_wire(version.overdraft_limit)
    if version.trial_days:
        yield "Trial", f"{version.trial_days} days"
    if version.base_fee_asset is not None:
        fee = _amount(version.base_fee_amount, version.base_fee_asset)
        yield "Base fee", f"{fee}, {version.get_base_fee_timing_display().lower()}"
    if version.seat_fee_asset is not None:
        fee = _amount(version.seat_fee_amount, version.seat_fee_asset)
        included = f", {version.included_seats} included" if version.included_seats else ""
        yield "Seats", f"{fee} each{included}, {version.get_seat_fee_timing_display().lower()}"
    yield from _credits(version)
    for entitlement in version.entitlements.select_related("meter"):
        yield f"Feature {entitlement.feature}", _entitlement(entitlement)


def _amount(amount: Decimal, asset: Asset) -> str:
    return f"{money.to_display(amount, scale=asset.scale)} {asset.code}"


def _credits(version: PlanVersion) -> Iterator[tuple[str, str]]:
    """Number the credits of one asset from the second on, so that each has a line of its own."""
    met: dict[str, int] = {}
    for credit in version.included_credits.select_related("asset"):
        code = credit.asset.code
        met[code] = met.get(code, 0) + 1
        number = f" {met[code]}" if met[code] > 1 else ""
        yield f"Included {code}{number}", ", ".join(_credit(credit))


def _credit(credit: IncludedCredit) -> Iterator[str]:
    per_seat = " for each seat" if credit.per_seat else ""
    amount = _amount(credit.amount, credit.asset)
    yield f"{amount}{per_seat} {credit.get_every_display().lower()}"
    if credit.limit_per_month:
        yield f"at most {_amount(credit.limit_per_month, credit.asset)} a month"
    if credit.expires_after_days:
        yield f"for {credit.expires_after_days} days"
    else:
        yield credit.get_expires_display().lower()
    if credit.rollover == Rollover.LIMITED:
        yield f"up to {_amount(credit.rollover_limit, credit.asset)} rolls over"
    elif credit.rollover == Rollover.UNLIMITED:
        yield "rolls over"
    if credit.meters:
        yield f"for {', '.join(credit.meters)} only"
    yield f"priority {credit.priority}"


def _entitlement(entitlement: Entitlement) -> str:
    match entitlement.kind:
        case EntitlementKind.STATIC:
            return entitlement.value
        case EntitlementKind.VALUES:
            allowed = ", ".join(entitlement.allowed_values)
            return f"{entitlement.property_name} may be {allowed}"
        case EntitlementKind.METERED:
            limit = money.to_display(entitlement.limit_per_period, scale=0)
            return f"up to {limit} of {entitlement.meter} a period"
        case _:
            return "yes" if entitlement.enabled else "no"
