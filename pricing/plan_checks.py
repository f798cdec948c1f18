"""What keeps a plan version from being published, each problem with the field it is in."""

from collections.abc import Iterator
from typing import NamedTuple

from pricing import catalog, settling
from pricing.models import Meter, PlanVersion, Price, Settle, ShortfallPolicy
from pricing.price_form import PriceInvalid, check_against_meter, parse_definition
from pricing.price_terms import PriceTerms


class Problem(NamedTuple):
    """What keeps a draft from being published, and the field it is in."""

    field: str
    reason: str


def check(version: PlanVersion) -> list[Problem]:
    """Return everything that keeps `version` from being published, as it is stored now."""
    if not version.is_draft:
        return [Problem("state", "this version was published before")]
    problems = list(_problems_of_terms(version))
    prices = list(version.prices.select_related("meter", "asset"))
    if not prices and not (version.base_fee_asset_id or version.seat_fee_asset_id):
        problems.append(Problem("prices", "a plan needs at least one price"))
    for price in prices:
        problems += _problems_of_price(price, version)
    problems += _problems_of_credits(version)
    problems += _problems_of_entitlements(version, {price.meter_id for price in prices})
    return problems


def _problems_of_terms(version: PlanVersion) -> Iterator[Problem]:
    overdraft = version.shortfall_policy == ShortfallPolicy.OVERDRAFT
    if overdraft and version.overdraft_limit <= 0:
        yield Problem("overdraft_limit", "an overdraft needs a limit above zero")
    if not overdraft and version.overdraft_limit != 0:
        yield Problem("overdraft_limit", "a limit below zero needs the overdraft policy")
    for field, asset in (("base_fee", version.base_fee_asset), ("seats", version.seat_fee_asset)):
        # A fee is owed whatever the balance, and only a currency can be invoiced.
        if asset is not None and not asset.is_currency:
            yield Problem(f"{field}.asset", f"{asset.code} is no currency and cannot be invoiced")


def _problems_of_price(price: Price, version: PlanVersion) -> Iterator[Problem]:
    where = f"prices[{price.meter.code}, {price.asset.code}]"
    owners = {price.organization_id, price.meter.organization_id, price.asset.organization_id}
    if owners != {version.organization_id}:
        yield Problem(where, "the price, its meter or its asset belongs to someone else")
    # What credit does not cover is invoiced, and an invoice can only ask for a currency.
    if version.shortfall_policy == ShortfallPolicy.OVERAGE and not price.asset.is_currency:
        yield Problem(f"{where}.asset", f"{price.asset.code} is no currency and cannot be invoiced")
    try:
        terms = parse_definition(price.definition)
    except PriceInvalid as error:
        for field, reason in error.errors:
            yield Problem(f"{where}.{field}", reason)
        return
    for field, reason in check_against_meter(terms, catalog.meter_spec(price)):
        yield Problem(f"{where}.{field}", reason)
    yield from _problems_of_settling(price, terms, where)


def _problems_of_settling(price: Price, terms: PriceTerms, where: str) -> Iterator[Problem]:
    against = settling.reason_against_on_event(price.meter.aggregation, terms)
    if price.settle == Settle.ON_EVENT and against:
        yield Problem(f"{where}.settle", against)
    if not price.asset.is_currency and _asks_at_close(price, terms):
        yield Problem(
            f"{where}.asset",
            f"{price.asset.code} is no currency: what this price asks for when the period closes "
            "(usage settled at close, fixed amounts, minimums, commitments) cannot be invoiced",
        )


def _asks_at_close(price: Price, terms: PriceTerms) -> bool:
    bounds = terms.bounds
    committed = bounds.commitment is not None and bounds.commitment.true_up
    return bool(
        price.settle == Settle.AT_CLOSE or terms.standing_cost or bounds.minimum or committed
    )


def _problems_of_credits(version: PlanVersion) -> Iterator[Problem]:
    included = list(version.included_credits.all())
    named = {code for credit in included for code in credit.meters}
    meters = Meter.objects.filter(organization=version.organization_id, code__in=named)
    known = set(meters.values_list("code", flat=True))
    for number, credit in enumerate(included):
        for code in credit.meters:
            if code not in known:
                yield Problem(f"included_credits[{number}].meters", f"{code} is not a meter")


def _problems_of_entitlements(version: PlanVersion, priced: set[object]) -> Iterator[Problem]:
    for entitlement in version.entitlements.exclude(meter=None).select_related("meter"):
        if entitlement.meter_id not in priced:
            # What no price of the plan meters is not counted, so no limit of it would be met.
            reason = f"the plan has no price for {entitlement.meter}; a price of zero will do"
            yield Problem(f"entitlements[{entitlement.feature}].meter", reason)
