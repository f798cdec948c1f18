"""The law of authorizations: what is captured exactly as it was authorized costs the quote."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import CreditAccount, Hold, LedgerEntry
from billing_site import self_check
from metering import authorizations
from metering.authorizations import Done, Refused
from metering.outcomes import Outcome, Status
from pricing.models import ShortfallPolicy
from tests.clock import HOUR, NOW
from tests.laws.test_quote_laws import ON_EVENT, POLICIES
from tests.price_menu import MENU, PROPERTIES, Shop, open_shop

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)
AMOUNTS = st.sampled_from(["0", "0.000000000001", "1", "7.5", "12.5", "49.999", "1000"])
WORK = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "tokens": AMOUNTS,
            "volume": AMOUNTS,
            "level": AMOUNTS,
            "model": st.sampled_from(["large", "small", "odd"]),
            "user": st.sampled_from(["ann", "bob"]),
        },
    ),
    min_size=1,
    max_size=6,
)


@given(data=st.data(), policy=POLICIES, credit=st.sampled_from(["1", "40", "100000"]))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_what_is_captured_as_authorized_costs_the_quote(
    data: st.DataObject, policy: tuple[ShortfallPolicy, str], credit: str
) -> None:
    shop = _open(data, policy, credit)
    for work in data.draw(st.lists(WORK, min_size=1, max_size=3), label="work"):
        properties = [{**PROPERTIES, **each} for each in work]
        before = _state(shop)
        try:
            done = _authorize(shop, properties)
        except Refused:
            assert _state(shop) == before
            continue
        taken_before = _taken(shop)
        outcomes = _capture(shop, done, properties, data)
        charged, overage = _sums(outcomes, "amount"), _sums(outcomes, "overage")
        quote = {code: Decimal(text) for code, text in done.authorization.row.quote.items()}
        assert {code: charged[code] for code in quote} == quote
        taken = {code: each - taken_before[code] for code, each in _taken(shop).items()}
        assert taken == {code: charged[code] - overage[code] for code in taken}
    assert self_check.differences() == []


def _open(data: st.DataObject, policy: tuple[ShortfallPolicy, str], credit: str) -> Shop:
    names = st.lists(st.sampled_from(ON_EVENT), min_size=1, max_size=5, unique=True)
    chosen = set(data.draw(names, label="prices"))
    if policy[0] == ShortfallPolicy.OVERAGE:
        chosen = (chosen - {"credits"}) or {"per_unit"}
    shop = open_shop(chosen, policy=policy[0], overdraft_limit=policy[1])
    for asset in {MENU[name].asset for name in chosen}:
        shop.grant(shop.customers[0], credit, asset=asset, meters=sorted(chosen)[:1])
        shop.grant(shop.customers[0], credit, asset=asset, expires_at=NOW + 5 * MINUTE)
    return shop


def _state(shop: Shop) -> list[Any]:
    """Return everything a refusal must leave as it was."""
    accounts = CreditAccount.objects.filter(customer=shop.customers[0]).order_by("id")
    return [list(accounts.values_list("id", "balance", "held", "version")), Hold.objects.count()]


def _taken(shop: Shop) -> dict[str, Decimal]:
    """Return what usage has taken in all, by asset."""
    usage = LedgerEntry.objects.filter(organization=shop.organization, kind="usage")
    sums = usage.order_by().values_list("account__asset__code").annotate(Sum("amount"))
    return defaultdict(Decimal, {code: -amount for code, amount in sums})


def _authorize(shop: Shop, properties: Sequence[dict[str, Any]]) -> Done:
    return authorizations.authorize(
        customer=shop.customers[0],
        drafts=[shop.draft(**each) for each in properties],
        expires_in=HOUR,
        at=NOW,
    )


def _capture(
    shop: Shop, done: Done, properties: Sequence[dict[str, Any]], data: st.DataObject
) -> list[Outcome]:
    """Capture the work in one part or two, perhaps when a grant it lies on has expired."""
    row = done.authorization.row
    drafts = [shop.draft(raw={"authorization": str(row.id)}, **each) for each in properties]
    at = NOW + data.draw(st.sampled_from([0, 6]), label="minutes later") * MINUTE
    cut = data.draw(st.integers(0, len(drafts) - 1), label="cut")
    outcomes: list[Outcome] = []
    for part, final in ((drafts[:cut], False), (drafts[cut:], True)):
        if part:
            captured = authorizations.capture(authorization=row, drafts=part, final=final, at=at)
            outcomes += captured.outcomes
    assert captured.authorization.state == "captured"
    assert not any(captured.authorization.held.values())
    assert {outcome.status for outcome in outcomes} == {Status.RECORDED}
    return outcomes


def _sums(outcomes: Sequence[Outcome], name: str) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for outcome in outcomes:
        for charge in outcome.charges:
            assert "uncollected" not in charge
            sums[charge["asset"]] += Decimal(charge[name])
    return sums
