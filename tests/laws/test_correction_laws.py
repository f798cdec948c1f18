"""The laws of corrections: a voided event leaves everything as if it had never been there."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import CreditAccount
from accounts.money import ZERO
from billing_site import self_check
from invoicing import closing
from metering import corrections
from metering.event_drafts import EventDraft
from metering.models import (
    Adjustment,
    BillingPeriod,
    DistinctValue,
    Event,
    PeriodCharge,
    UsageTotal,
)
from pricing.models import ShortfallPolicy
from tests.clock import DAY, HOUR, NOW
from tests.price_menu import MENU, PROPERTIES, Shop, open_shop

pytestmark = pytest.mark.django_db

AMOUNTS = st.sampled_from(["0", "0.000000000001", "1", "7.5", "12.5", "49.999", "1000"])
PROPERTY_SETS = st.fixed_dictionaries(
    {},
    optional={
        "tokens": AMOUNTS,
        "volume": AMOUNTS,
        "level": AMOUNTS | st.just("-3"),
        "model": st.sampled_from(["large", "small", "odd"]),
        "user": st.sampled_from(["ann", "bob", "eve"]),
    },
)
HOURS = st.integers(-200, 0)
EVENTS = st.lists(st.tuples(HOURS, PROPERTY_SETS), min_size=1, max_size=8)
POLICIES = st.sampled_from(
    [
        (ShortfallPolicy.BLOCK, "0", "1000000"),
        (ShortfallPolicy.OVERDRAFT, "1000000", "15"),
        (ShortfallPolicy.OVERAGE, "0", "15"),
    ]
)
NAMES = st.lists(st.sampled_from(sorted(MENU)), min_size=1, max_size=5, unique=True)
AFTER = NOW + 40 * DAY


class Holding(NamedTuple):
    """What a price holds of its usage; what of it nobody has paid is looked at by asset."""

    quantity: Decimal = ZERO
    billable: Decimal = ZERO
    metered: Decimal = ZERO
    amount: Decimal = ZERO
    events: int = 0

    def __add__(self, other: tuple[Any, ...]) -> "Holding":
        return Holding(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@given(data=st.data(), names=NAMES, policy=POLICIES, events=EVENTS)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_a_voided_event_was_never_there(
    data: st.DataObject,
    names: Sequence[str],
    policy: tuple[ShortfallPolicy, str, str],
    events: Sequence[tuple[int, Mapping[str, str]]],
) -> None:
    voided = data.draw(st.sets(st.integers(0, len(events) - 1), min_size=1), label="voided")
    when = data.draw(st.sampled_from(["at once", "later", "closed", "invoiced"]), label="when")
    shop, other = _open(names, policy), _open(names, policy)
    drafts = []
    for number, event in enumerate(events):
        drafts.append(_record(shop, *event))
        if when == "at once" and number in voided:
            _void(shop, drafts[number])
        if number not in voided:
            _record(other, *event)
    at = NOW
    if when in ("closed", "invoiced"):
        at = AFTER
        closing.close_due_periods(at=at)
    if when == "invoiced":
        closing.build_due_invoices(at=at)
    if when != "at once":
        for number in data.draw(st.permutations(sorted(voided)), label="order"):
            _void(shop, drafts[number], at=at)
    if when == "closed":
        closing.build_due_invoices(at=at)
    _is_as(shop, other, at=at)
    assert self_check.differences() == []


@given(names=NAMES, policy=POLICIES, events=EVENTS, wrong=PROPERTY_SETS, right=PROPERTY_SETS)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
def test_a_corrected_event_is_as_if_it_had_come_right(
    names: Sequence[str],
    policy: tuple[ShortfallPolicy, str, str],
    events: Sequence[tuple[int, Mapping[str, str]]],
    wrong: Mapping[str, str],
    right: Mapping[str, str],
) -> None:
    shop, other = _open(names, policy), _open(names, policy)
    mistaken = _record(shop, 0, wrong)
    for event in events:
        _record(shop, *event)
        _record(other, *event)
    draft = _draft(shop, 0, right)
    replaced = corrections.replace_event(
        organization_id=shop.organization.id, key=mistaken, draft=draft, at=NOW
    )
    assert replaced.outcome.status == "recorded"
    _record(other, 0, right)
    _is_as(shop, other, at=NOW)
    assert self_check.differences() == []


def _open(names: Sequence[str], policy: tuple[ShortfallPolicy, str, str]) -> Shop:
    shortfall, limit, credit = policy
    if shortfall == ShortfallPolicy.OVERAGE:
        # A unit of the company's own cannot be invoiced.
        names = [name for name in names if name != "credits"] or ["per_unit"]
    shop = open_shop(names, policy=shortfall, overdraft_limit=limit)
    if "USD" in {MENU[name].asset for name in names}:
        shop.grant(shop.customers[0], credit, meters=sorted(names)[:1])
        shop.grant(shop.customers[0], credit)
    if "credits" in names:
        shop.grant(shop.customers[0], "1000000", asset="credits")
    # What nobody sells opens the period, so that it closes though nothing else may happen in it.
    shop.record(shop.draft(raw={"type": "nothing"}))
    return shop


def _draft(shop: Shop, hours: int, properties: Mapping[str, str]) -> EventDraft:
    fields: dict[str, Any] = {**PROPERTIES, **properties}
    return shop.draft(**fields, raw={"timestamp": (NOW + hours * HOUR).isoformat()})


def _record(shop: Shop, hours: int, properties: Mapping[str, str]) -> Any:
    draft = _draft(shop, hours, properties)
    [outcome] = shop.record(draft)
    assert outcome.status == "recorded", outcome
    return draft.key


def _void(shop: Shop, key: Any, *, at: dt.datetime = NOW) -> None:
    corrections.void_event(organization_id=shop.organization.id, key=key, at=at)


def _is_as(shop: Shop, other: Shop, *, at: dt.datetime) -> None:
    assert _usage(shop) == _usage(other)
    assert _charges(shop) == _charges(other)
    assert _position(shop) == _position(other)
    if not BillingPeriod.objects.filter(invoiced_at__isnull=False).exists():
        assert _moments(shop) == _moments(other)
        assert _values(shop) == _values(other)
    shown = Event.objects.standing().filter(organization=shop.organization)
    assert shown.count() == Event.objects.filter(organization=other.organization).count()


def _usage(shop: Shop) -> dict[tuple[str, str], Holding]:
    held: dict[tuple[str, str], Holding] = defaultdict(Holding)
    columns = ("quantity", "billable", "metered_amount", "amount", "events")
    rows = UsageTotal.objects.filter(organization=shop.organization)
    late = Adjustment.objects.filter(organization=shop.organization, is_after_invoice=True, kind="")
    for found in (rows, late):
        for code, cell, *figures in found.values_list("price__meter__code", "cell", *columns):
            held[code, cell] += tuple(figures)
    assert all(not any(total) for total in held.values() if not total.events)
    return {key: total for key, total in held.items() if total.events}


def _charges(shop: Shop) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    rows = PeriodCharge.objects.filter(organization=shop.organization)
    late = Adjustment.objects.filter(organization=shop.organization).exclude(kind="")
    for found in (rows, late):
        for code, kind, quantity, amount in found.values_list(
            "price__meter__code", "kind", "quantity", "amount"
        ):
            sums[code, kind][0] += quantity
            sums[code, kind][1] += amount
    return {key: (each[0], each[1]) for key, each in sums.items() if any(each)}


def _position(shop: Shop) -> dict[str, Decimal]:
    """What a customer has in each asset, less what is or will be invoiced and what nobody pays."""
    position = dict(
        CreditAccount.objects.filter(organization=shop.organization).values_list(
            "asset__code", "balance"
        )
    )
    late = Adjustment.objects.filter(organization=shop.organization, is_after_invoice=True)
    for rows in (UsageTotal.objects.filter(organization=shop.organization), late):
        for code, *unpaid in rows.values_list("price__asset__code", "overage", "uncollected"):
            position[code] -= sum(unpaid)
    charges = PeriodCharge.objects.filter(organization=shop.organization)
    for code, overage in charges.values_list("price__asset__code", "overage"):
        position[code] -= overage
    return position


def _moments(shop: Shop) -> dict[tuple[str, str], dt.datetime | None]:
    rows = UsageTotal.objects.filter(organization=shop.organization, events__gt=0)
    return {
        (code, cell): moment
        for code, cell, moment in rows.values_list("price__meter__code", "cell", "latest_at")
    }


def _values(shop: Shop) -> list[tuple[str, Any]]:
    met = DistinctValue.objects.filter(organization=shop.organization)
    return sorted(met.values_list("price__meter__code", "value_hash"))
