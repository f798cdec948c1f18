"""What a quote says, and what it leaves alone."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import ledger
from accounts.burndown import Category
from metering import event_drafts, quoting
from metering.models import BillingPeriod, UsageTotal
from metering.quoting import Quote, QuotedEvent, QuoteStatus
from metering.subscribers import Subscribers
from pricing.models import ShortfallPolicy
from tests.api.tables import row_counts
from tests.clock import DAY, NOW
from tests.price_menu import open_shop
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


def quote(world: VideoWorld, *minutes: str, **fields: Any) -> Quote:
    """Quote so many fast minutes, one event each."""
    drafts = [world.minutes_of("fast", each, **fields) for each in minutes]
    return quoting.quote_events(organization_id=world.organization.id, drafts=drafts, at=NOW)


def quote_one(world: VideoWorld, minutes: str, **fields: Any) -> QuotedEvent:
    [event] = quote(world, minutes, **fields).events
    return event


class TestOneEvent:
    def test_it_is_priced_with_its_working(self, video: VideoWorld) -> None:
        event = quote_one(video, "2.5")
        [line] = event.lines
        assert (event.status, line.amount, line.asset) == (
            QuoteStatus.QUOTED,
            Decimal("2.5"),
            "USD",
        )
        assert (line.meter, line.cell, line.quantity) == (
            "video_minutes",
            '["fast"]',
            Decimal("2.5"),
        )
        [step] = line.steps
        assert (step.units, step.unit_amount, step.amount) == (
            Decimal("2.5"),
            Decimal(1),
            Decimal("2.5"),
        )

    def test_its_charges_are_those_it_would_be_answered_with(self, video: VideoWorld) -> None:
        quoted = quote_one(video, "3")
        [outcome] = video.record(video.minutes_of("fast", "3"))
        assert quoted.charges == outcome.charges

    def test_the_grants_that_would_pay_are_named_in_the_order_they_burn(
        self, video: VideoWorld
    ) -> None:
        video.grant("2", category=Category.PROMOTIONAL, expires_at=NOW + DAY, name="Welcome")
        answer = quote(video, "3")
        draws = answer.events[0].draws
        assert [(draw.category, draw.amount) for draw in draws] == [
            ("promotional", Decimal(2)),
            ("paid", Decimal(1)),
        ]
        assert [answer.names[draw.grant_id] for draw in draws if draw.grant_id] == ["Welcome", ""]

    def test_beyond_the_balance_it_would_be_blocked_and_says_by_what(
        self, video: VideoWorld
    ) -> None:
        answer = quote(video, "100.5")
        [event] = answer.events
        assert answer.is_blocked
        assert event.status == QuoteStatus.BLOCKED
        blocked_by = event.blocked_by
        assert blocked_by is not None
        assert (blocked_by.asset, blocked_by.needed) == ("USD", Decimal("100.5"))
        assert blocked_by.available == Decimal(100)
        assert event.lines[0].amount == Decimal("100.5")
        assert (event.charges, event.draws) == ((), ())

    def test_below_zero_it_names_no_grant(self) -> None:
        world = open_video_world(credit="10", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="5")
        event = quote_one(world, "12")
        assert [(draw.grant_id is None, draw.amount) for draw in event.draws] == [
            (False, Decimal(10)),
            (True, Decimal(2)),
        ]
        assert quote_one(world, "15.1").blocked_by is not None

    def test_what_no_credit_would_pay_is_overage_where_the_plan_says_so(self) -> None:
        world = open_video_world(credit="10", policy=ShortfallPolicy.OVERAGE)
        answer = quote(world, "12")
        assert answer.events[0].lines[0].overage == 2
        assert (answer.totals["USD"].overage, answer.totals["USD"].available) == (
            Decimal(2),
            Decimal(0),
        )

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"customer": "nobody"}, "no_subscription"),
            ({"type": "video.watched"}, "no_price"),
        ],
    )
    def test_without_a_price_it_says_why(
        self, video: VideoWorld, fields: dict[str, str], reason: str
    ) -> None:
        event = quote_one(video, "1", **fields)
        assert (event.status, event.reason) == (QuoteStatus.UNPRICED, reason)

    def test_a_price_that_settles_at_close_charges_nothing_yet(self) -> None:
        shop = open_shop(["later", "average"], policy=ShortfallPolicy.OVERAGE)
        answer = quoting.quote_events(
            organization_id=shop.organization.id, drafts=[shop.draft(tokens="25")], at=NOW
        )
        average, later = answer.events[0].lines
        assert (later.amount, later.billable, later.settles_on_event) == (
            Decimal(0),
            Decimal(20),
            False,
        )
        # 10 at 1.10 and 10 at 0.70 plus 1 for entering; the first tier's 3 belong to the period.
        assert later.metered == Decimal(19)
        assert [step.amount for step in later.steps] == [Decimal(11), Decimal(8)]
        assert average.amount == average.metered == 0
        assert not average.steps


class TestSeveralEvents:
    def test_each_is_quoted_after_those_before_it(self) -> None:
        shop = open_shop(["graduated"])
        shop.grant(shop.customers[0], "1000")
        drafts = [shop.draft(tokens="10"), shop.draft(tokens="10")]
        answer = quoting.quote_events(organization_id=shop.organization.id, drafts=drafts, at=NOW)
        assert [event.lines[0].amount for event in answer.events] == [11, 8]
        assert answer.totals["USD"].amount == 19
        assert answer.totals["USD"].balance == 981

    def test_two_of_the_same_value_are_one_of_a_unique_count(self) -> None:
        shop = open_shop(["users"])
        shop.grant(shop.customers[0], "1000")
        shop.record(shop.draft(user="ann"))
        drafts = [shop.draft(user=user) for user in ("ann", "bob", "bob", "cy")]
        answer = quoting.quote_events(organization_id=shop.organization.id, drafts=drafts, at=NOW)
        assert [event.lines[0].amount for event in answer.events] == [0, 7, 0, 7]

    def test_what_is_blocked_leaves_the_credit_to_the_next(self, video: VideoWorld) -> None:
        answer = quote(video, "60", "50", "40")
        statuses = [event.status for event in answer.events]
        assert statuses == [QuoteStatus.QUOTED, QuoteStatus.BLOCKED, QuoteStatus.QUOTED]
        total = answer.totals["USD"]
        assert (total.amount, total.refused, total.available) == (
            Decimal(100),
            Decimal(50),
            Decimal(0),
        )

    def test_an_invalid_one_has_its_own_answer(self, video: VideoWorld) -> None:
        drafts = [
            event_drafts.parse_question({"type": 3}, customer="northwind", at=NOW),
            video.minutes_of("fast", "1"),
        ]
        answer = quoting.quote_events(organization_id=video.organization.id, drafts=drafts, at=NOW)
        assert [event.status for event in answer.events] == ["invalid", "quoted"]
        assert [error.field for error in answer.events[0].errors] == ["type"]


class TestTime:
    def test_a_period_that_would_open_is_quoted_as_open(self, video: VideoWorld) -> None:
        quoted = quote_one(video, "3")
        assert quoted.status == QuoteStatus.QUOTED
        assert not BillingPeriod.objects.exists()

    def test_a_period_that_is_over_counts_no_more(self) -> None:
        shop = open_shop(["graduated"])
        shop.grant(shop.customers[0], "1000")
        shop.record(shop.draft(tokens="10"), at=NOW)
        answer = quoting.quote_events(
            organization_id=shop.organization.id,
            drafts=[shop.draft(tokens="10")],
            at=NOW + 31 * DAY,
        )
        assert answer.events[0].lines[0].amount == 11
        assert BillingPeriod.objects.get().closed_at is None

    def test_credit_that_has_expired_unnoticed_pays_nothing(self, video: VideoWorld) -> None:
        video.grant("50", category=Category.PROMOTIONAL, expires_at=NOW)
        assert quote(video, "1").totals["USD"].available == 99


def test_nothing_is_locked_held_or_stored(video: VideoWorld) -> None:
    video.record(video.event())
    before = row_counts(), list(UsageTotal.objects.values())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        quote(video, "3", "4")
    assert (row_counts(), list(UsageTotal.objects.values())) == before
    texts = [query["sql"] for query in queries]
    assert not any(" FOR " in text and "UPDATE" in text for text in texts)
    assert not any(text.startswith(("INSERT", "UPDATE", "DELETE")) for text in texts)
    assert video.balance() == 99


@pytest.mark.django_db(transaction=True)
def test_a_quote_waits_for_nobody() -> None:
    world = open_video_world()

    def quote_meanwhile() -> Quote:
        try:
            return quote(world, "3")
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor() as pool:
        ledger.lock_books(
            organization_id=world.organization.id, account_ids=[world.account.id], at=NOW
        )
        answer = pool.submit(quote_meanwhile).result(timeout=10)
    assert answer.events[0].status == QuoteStatus.QUOTED


@pytest.mark.django_db(transaction=True)
def test_the_database_itself_refuses_a_quote_that_would_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = open_video_world()
    with monkeypatch.context() as patch:
        patch.setattr(Subscribers, "looked_at", Subscribers.locked)
        with pytest.raises(Exception, match="read-only transaction"):
            quote(world, "3")
    assert quote_one(world, "3").status == QuoteStatus.QUOTED
