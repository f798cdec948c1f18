"""The law of quotes: as long as nothing else moves, the quote is what is charged."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import LedgerEntry
from metering import quoting
from metering.event_drafts import EventDraft
from metering.outcomes import Outcome, Status
from metering.quoting import QuotedEvent, QuoteStatus
from pricing.models import ShortfallPolicy
from tests.clock import DAY, NOW
from tests.price_menu import CLOSE, MENU, PROPERTIES, Shop, open_shop

pytestmark = pytest.mark.django_db

ON_EVENT = sorted(name for name, dish in MENU.items() if dish.settle != CLOSE)
SAME = {
    QuoteStatus.QUOTED: Status.RECORDED,
    QuoteStatus.BLOCKED: Status.BLOCKED,
    QuoteStatus.UNPRICED: Status.UNPRICED,
}
AMOUNTS = st.sampled_from(["0", "0.000000000001", "1", "7.5", "12.5", "49.999", "1000", "-1", "x"])
PROPERTY_SETS = st.fixed_dictionaries(
    {},
    optional={
        "tokens": AMOUNTS,
        "volume": AMOUNTS,
        "level": AMOUNTS,
        "model": st.sampled_from(["large", "small", "odd", 7]),
        "user": st.sampled_from(["ann", "bob", ""]),
    },
)
EVENTS = st.lists(st.tuples(st.integers(0, 2), PROPERTY_SETS), min_size=1, max_size=6)
POLICIES = st.sampled_from(
    [
        (ShortfallPolicy.BLOCK, "0"),
        (ShortfallPolicy.OVERDRAFT, "20"),
        (ShortfallPolicy.OVERAGE, "0"),
    ]
)


@given(data=st.data(), policy=POLICIES, credit=st.sampled_from(["1", "40", "100000"]))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_a_quote_is_what_is_charged(
    data: st.DataObject, policy: tuple[ShortfallPolicy, str], credit: str
) -> None:
    shop = _open(data, policy, credit)
    at = NOW
    for events in data.draw(st.lists(EVENTS, min_size=1, max_size=4), label="events"):
        drafts = [_draft(shop, *event) for event in events]
        quote = quoting.quote_events(organization_id=shop.organization.id, drafts=drafts, at=at)
        outcomes = shop.record(*drafts, at=at)
        for draft, quoted, outcome in zip(drafts, quote.events, outcomes, strict=True):
            _is_the_same(shop, draft, quoted, outcome)
        charged = _charged(outcomes)
        assert {code: total.amount for code, total in quote.totals.items()} == {
            code: charged[code] for code in quote.totals
        }
        at += data.draw(st.sampled_from([dt.timedelta(), DAY, 20 * DAY]), label="later by")


def _open(data: st.DataObject, policy: tuple[ShortfallPolicy, str], credit: str) -> Shop:
    offered = MENU if policy[0] == ShortfallPolicy.OVERAGE else ON_EVENT
    names = st.lists(st.sampled_from(sorted(offered)), min_size=1, max_size=5, unique=True)
    chosen = set(data.draw(names, label="prices"))
    if policy[0] == ShortfallPolicy.OVERAGE:
        chosen = (chosen - {"credits"}) or {"per_unit"}
    shop = open_shop(chosen, policy=policy[0], overdraft_limit=policy[1])
    shop.subscribe()
    for customer in shop.customers:
        for asset in {MENU[name].asset for name in chosen}:
            shop.grant(customer, credit, asset=asset, meters=sorted(chosen)[:1])
            shop.grant(customer, credit, asset=asset, expires_at=NOW + 10 * DAY)
    return shop


def _draft(shop: Shop, who: int, properties: dict[str, Any]) -> EventDraft:
    if who == len(shop.customers):
        return shop.draft(raw={"customer": "nobody"})
    # Most events are whole; what was drawn is put over what an event needs.
    return shop.draft(shop.customers[who], **{**PROPERTIES, **properties})


def _is_the_same(shop: Shop, draft: EventDraft, quoted: QuotedEvent, outcome: Outcome) -> None:
    assert SAME[quoted.status] == outcome.status
    assert quoted.charges == outcome.charges
    assert (quoted.reason, bool(quoted.blocked_by)) == (outcome.reason, bool(outcome.needed))
    if quoted.status != QuoteStatus.QUOTED:
        return
    for charge in quoted.charges:
        lines = [line for line in quoted.lines if line.asset == charge["asset"]]
        assert sum(line.amount for line in lines) == Decimal(charge["amount"])
        assert sum(line.overage for line in lines) == Decimal(charge["overage"])
    entries = LedgerEntry.objects.filter(
        organization=shop.organization, reference=draft.key, kind="usage"
    )
    drawn = {(draw.grant_id, draw.amount) for draw in quoted.draws}
    assert drawn == {(entry.grant_id, -entry.amount) for entry in entries}


def _charged(outcomes: Sequence[Outcome]) -> dict[str, Decimal]:
    charged: dict[str, Decimal] = defaultdict(Decimal)
    for outcome in outcomes:
        for charge in outcome.charges:
            charged[charge["asset"]] += Decimal(charge["amount"])
    return charged
