"""Events taken back: what returns to whom, and what it makes of the totals, in worked figures."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import CreditAccount, CreditGrant, LedgerEntry
from billing_site import self_check
from metering import corrections
from metering.corrections import Voided
from metering.event_drafts import EventDraft
from metering.models import Adjustment, EventVoid, UsageTotal
from pricing.models import Aggregation, ShortfallPolicy
from tests.clock import DAY, NOW
from tests.price_menu import Dish, Shop, open_shop
from tests.worlds import VideoWorld, open_video_world, open_world_selling

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("checks_at_once")]

# The first ten units cost 1 each, what follows 0.10.
STEEP = {
    "charge_model": "graduated",
    "tiers": [
        {"up_to": "10", "unit_amount": "1", "flat_amount": "0"},
        {"up_to": None, "unit_amount": "0.10", "flat_amount": "0"},
    ],
}


@pytest.fixture(autouse=True)
def _books_stay_right() -> Iterator[None]:
    yield
    assert self_check.differences() == []


def void(world: VideoWorld | Shop, draft: EventDraft, *, at: dt.datetime = NOW) -> Voided:
    return corrections.void_event(organization_id=world.organization.id, key=draft.key, at=at)


def used(world: VideoWorld, units: str) -> EventDraft:
    draft = world.used(units=units)
    [outcome] = world.record(draft)
    assert outcome.status == "recorded", outcome
    return draft


def total() -> tuple[Any, ...]:
    [held] = UsageTotal.objects.values_list("quantity", "amount", "overage", "events")
    return seen(*held)


def seen(*figures: Any) -> tuple[Any, ...]:
    """Return figures, Decimals among them, to be compared with any numbers."""
    return figures


class TestCredit:
    def test_what_an_event_took_returns(self, video: VideoWorld) -> None:
        kept, wrong = video.event(), video.minutes_of("fast", "30")
        video.record(kept, wrong)
        voided = void(video, wrong)
        assert video.balance() == 99
        assert voided.void.effects == [
            {
                "asset": "USD",
                "returned": "30",
                "charged": "0",
                "overage": "0",
                "balance": "99",
                "available": "99",
            }
        ]
        assert total() == (1, 1, 0, 1)

    def test_voiding_again_answers_the_same(self, video: VideoWorld) -> None:
        draft = video.event()
        video.record(draft)
        first, second = void(video, draft), void(video, draft, at=NOW + DAY)
        assert (first.is_new, second.is_new) == (True, False)
        assert first.void == second.void
        assert first.void.effects == second.void.effects
        assert video.balance() == 100
        assert EventVoid.objects.count() == 1

    def test_the_share_of_an_expired_grant_expires_at_once(self) -> None:
        world = open_video_world(credit="0")
        world.grant("5", expires_at=NOW + DAY)
        world.grant("10")
        draft = world.minutes_of("fast", "8")
        world.record(draft)
        later = NOW + 2 * DAY
        void(world, draft, at=later)
        assert world.balance(at=later) == 10
        expired = CreditGrant.objects.get(amount=5)
        assert expired.remaining == 0
        kinds = LedgerEntry.objects.filter(grant=expired).values_list("kind", flat=True)
        assert list(kinds.order_by("account_version")) == ["grant", "usage", "reversal", "expiry"]

    def test_overdraft_lowers_what_is_owed(self) -> None:
        world = open_video_world(credit="2", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="50")
        draft = world.minutes_of("fast", "12")
        world.record(draft)
        assert world.balance() == -10
        void(world, draft)
        assert world.balance() == 2

    def test_an_overdraft_paid_since_comes_back_as_credit(self) -> None:
        world = open_video_world(credit="2", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="50")
        draft = world.minutes_of("fast", "12")
        world.record(draft)
        world.grant("30", at=NOW)
        void(world, draft)
        assert world.balance() == 32

    def test_overage_is_asked_for_no_more(self) -> None:
        world = open_video_world(credit="10", policy=ShortfallPolicy.OVERAGE)
        draft = world.minutes_of("fast", "12")
        world.record(draft)
        assert total() == (12, 12, 2, 1)
        voided = void(world, draft)
        assert seen(world.balance(), voided.void.effects[0]["overage"]) == (10, "-2")
        assert total() == (0, 0, 0, 0)


class TestTiers:
    def test_later_usage_pays_for_the_tier_it_falls_into(self) -> None:
        world = open_world_selling(STEEP, credit="100")
        first, second = used(world, "10"), used(world, "20")
        # 10 units at 1.00, then 20 at 0.10.
        assert world.balance() == 88
        voided = void(world, first)
        # 20 units alone: 10 at 1.00 and 10 at 0.10 are 11, of which 2 were charged.
        assert world.balance() == 89
        assert seen(voided.void.effects[0]["returned"], voided.void.effects[0]["charged"]) == (
            "10",
            "9",
        )
        assert total() == (20, 11, 0, 1)
        entry = LedgerEntry.objects.get(reference=voided.void.id)
        assert seen(entry.kind, entry.amount) == ("usage", -9)
        [adjusted] = Adjustment.objects.all()
        assert seen(adjusted.quantity, adjusted.amount, adjusted.events) == (-10, -1, -1)
        void(world, second)
        assert world.balance() == 100
        assert total() == (0, 0, 0, 0)

    def test_what_becomes_cheaper_lowers_overage_first(self) -> None:
        rising = {
            "charge_model": "graduated",
            "tiers": [
                {"up_to": "10", "unit_amount": "0.10", "flat_amount": "0"},
                {"up_to": None, "unit_amount": "1", "flat_amount": "0"},
            ],
        }
        world = open_world_selling(rising, credit="3")
        first, _ = used(world, "10"), used(world, "10")
        # 1.00 and then 10.00, of which 2.00 are there: 8.00 are overage.
        assert seen(world.balance(), total()) == (0, (20, 11, 8, 2))
        voided = void(world, first)
        # 10 units alone are 1.00: 9.00 too much, 8.00 of it unpaid and 1.00 of it credit.
        assert total() == (10, 1, 0, 1)
        assert world.balance() == 2
        assert voided.void.effects[0]["returned"] == "2"
        refund = CreditGrant.objects.get(category="refund")
        assert seen(refund.amount, refund.reference) == (1, f"void:{voided.void.id}:USD")

    @pytest.mark.parametrize(
        ("policy", "limit", "expected"),
        [
            (ShortfallPolicy.BLOCK, "0", (0, 0, 9)),
            (ShortfallPolicy.OVERDRAFT, "4", (-4, 0, 5)),
            (ShortfallPolicy.OVERAGE, "0", (0, 9, 0)),
        ],
    )
    def test_what_becomes_dearer_is_never_refused(
        self, policy: ShortfallPolicy, limit: str, expected: tuple[int, int, int]
    ) -> None:
        shop = open_shop([], policy=policy, overdraft_limit=limit, also={"per_unit": dish(STEEP)})
        grant_until(shop, "10", NOW + DAY)
        first, second = shop.draft(tokens="10"), shop.draft(tokens="20")
        shop.grant(shop.customers[0], "2")
        shop.record(first, second)
        # The 10.00 that come back expire at once; the second event needs 9.00 more.
        void(shop, first, at=NOW + 2 * DAY)
        held = UsageTotal.objects.get()
        account = CreditAccount.objects.get(customer=shop.customers[0], asset=shop.assets["USD"])
        assert seen(account.balance, held.overage, held.uncollected) == expected
        assert held.amount == 11


def dish(definition: dict[str, Any]) -> Dish:
    return Dish(aggregation=Aggregation.SUM, measures="tokens", definition=definition)


def grant_until(shop: Shop, amount: str, expires_at: dt.datetime) -> None:
    shop.grant(shop.customers[0], amount, expires_at=expires_at)
