"""Authorizations: work is let go ahead as a whole or not, and what it will cost is held."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts import customers, ledger
from accounts.burndown import Category
from accounts.models import Hold, HoldState
from billing_site import self_check
from metering import authorizations, sweeping
from metering.authorizations import AuthorizationEnded, NotHeld, TooLong, Unpriced
from metering.models import AlertFiring, Authorization, DeadLetter, UsageTotal
from pricing.models import ShortfallPolicy
from tests.authorized_work import (
    as_it_stands,
    authorize,
    capture,
    event_of,
    fast_minutes,
    reasons_against,
    usd,
)
from tests.clock import DAY, HOUR, NOW, SECOND
from tests.factories import SpendAlertFactory
from tests.price_menu import open_shop
from tests.worlds import VideoWorld, open_video_world, open_world_selling

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def books_stay_right(db: None) -> object:
    yield
    assert self_check.differences() == []


def available(world: VideoWorld) -> Decimal:
    return ledger.read_balance(world.account, at=NOW).available


class TestAuthorizing:
    def test_what_it_will_cost_is_held_and_nothing_is_taken(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10", "2.5"))
        stands = as_it_stands(row)
        assert (stands.state, row.quote, stands.held) == (
            "open", {"USD": "12.5"}, {"USD": Decimal("12.5")},
        )  # fmt: skip
        assert (video.balance(), available(video)) == (Decimal(100), Decimal("87.5"))
        assert not UsageTotal.objects.exists()

    def test_each_item_is_told_tier_by_tier_after_those_before_it(self) -> None:
        tiers = [{"up_to": "10", "unit_amount": "2"}, {"up_to": None, "unit_amount": "1"}]
        world = open_world_selling({"charge_model": "graduated", "tiers": tiers})
        row = authorize(world, *(world.used(units="8") for _ in range(2)))
        labels = [
            [(step["units"], step["amount"]) for step in item["prices"][0]["steps"]]
            for item in row.items
        ]
        assert labels == [[("8", "16")], [("2", "4"), ("6", "6")]]
        assert row.quote == {"USD": "26"}

    def test_the_grants_that_will_pay_are_told_in_burn_order(self) -> None:
        video = open_video_world(
            credit="10", policy=ShortfallPolicy.OVERDRAFT, overdraft_limit="50"
        )
        video.grant("3", category=Category.PROMOTIONAL, name="Welcome", expires_at=NOW + DAY)
        stands = as_it_stands(authorize(video, *fast_minutes(video, "15")))
        assert [(draw.category, draw.amount) for draw in stands.pays] == [
            ("promotional", Decimal(3)), ("paid", Decimal(10)), ("", Decimal(2)),
        ]  # fmt: skip
        assert list(stands.names.values()).count("Welcome") == 1

    def test_free_work_has_a_hold_of_nothing(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "0"))
        assert as_it_stands(row).held == usd(0)
        capture(row, event_of(video, row, "0"))
        assert as_it_stands(row).state == "captured"

    def test_a_plan_that_invoices_holds_what_grants_cover(self) -> None:
        video = open_video_world(credit="40", policy=ShortfallPolicy.OVERAGE)
        row = authorize(video, *fast_minutes(video, "100"))
        assert (row.quote, as_it_stands(row).held) == ({"USD": "100"}, usd(40))
        captured = capture(row, event_of(video, row, "100"))
        assert captured.outcomes[0].charges[0]["overage"] == "60"

    @pytest.mark.parametrize(
        ("credit", "lets_go", "left"), [("9.99", False, "9.99"), ("10.00", True, "0")]
    )
    def test_ten_as_one_group_go_ahead_together_or_not_at_all(
        self, credit: str, lets_go: bool, left: str
    ) -> None:
        """Vectors J5 and J6."""
        video = open_video_world(credit=credit)
        found = reasons_against(video, *fast_minutes(video, *["1"] * 10))
        assert (not found, available(video)) == (lets_go, Decimal(left))
        assert video.balance() == Decimal(credit)
        if found:
            [reason] = found
            assert reason.pop("detail").startswith("The work is expected to cost 10 USD")
            assert reason == {
                "reason": "insufficient_credit", "asset": "USD", "needed": "10",
                "available": "9.99",
            }  # fmt: skip

    def test_of_ten_alone_nine_go_ahead(self) -> None:
        """Vector J7."""
        video = open_video_world(credit="9.99")
        answers = [not reasons_against(video, video.event()) for _ in range(10)]
        assert answers.count(True) == 9
        assert available(video) == Decimal("0.99")

    @pytest.mark.parametrize("short", ["USD", "credits"])
    def test_across_assets_one_that_lacks_holds_nothing_in_either(self, short: str) -> None:
        shop = open_shop(["per_unit", "credits"])
        customer = shop.customers[0]
        for asset in ("USD", "credits"):
            shop.grant(customer, "0.5" if asset == short else "100", asset=asset)
        with pytest.raises(authorizations.Refused) as refused:
            authorizations.authorize(
                customer=customer, drafts=[shop.draft()], expires_in=HOUR, at=NOW
            )
        assert [each.asset for each in refused.value.refusals] == [shop.assets[short].code]
        assert not Hold.objects.exists()
        assert not Authorization.objects.exists()

    def test_across_assets_both_are_held(self) -> None:
        shop = open_shop(["per_unit", "credits"])
        for asset in ("USD", "credits"):
            shop.grant(shop.customers[0], "100", asset=asset)
        done = authorizations.authorize(
            customer=shop.customers[0], drafts=[shop.draft()], expires_in=HOUR, at=NOW
        )
        codes = {shop.assets[name].code for name in ("USD", "credits")}
        assert done.authorization.held.keys() == codes
        assert all(amount > 0 for amount in done.authorization.held.values())

    def test_items_without_a_price_are_named(self, video: VideoWorld) -> None:
        drafts = [video.event(), video.event(type="other"), video.used(minutes="x", speed="fast")]
        with pytest.raises(Unpriced) as unpriced:
            authorize(video, *drafts)
        assert [name for name, _ in unpriced.value.reasons] == ["items[1]", "items[2]"]
        assert not DeadLetter.objects.exists()

    def test_somebody_without_a_subscription_is_named(self, video: VideoWorld) -> None:
        stranger = video.add_customer()
        stranger.customer.subscriptions.update(ended_at=NOW)
        with pytest.raises(Unpriced) as unpriced:
            authorize(stranger, stranger.event())
        assert [name for name, _ in unpriced.value.reasons] == ["customer"]

    @pytest.mark.parametrize("policy", [ShortfallPolicy.BLOCK, ShortfallPolicy.OVERAGE])
    def test_a_stopped_customer_begins_nothing_new(self, policy: ShortfallPolicy) -> None:
        video = open_video_world(policy=policy)
        row = authorize(video, video.event())
        customers.stop_usage(customer=video.customer, at=NOW)
        [reason] = reasons_against(video, video.event())
        assert reason["reason"] == "usage_stopped"
        assert capture(row, event_of(video, row)).authorization.state == "captured"

    def test_no_longer_than_a_day(self, video: VideoWorld) -> None:
        authorize(video, video.event(), expires_in=DAY)
        with pytest.raises(TooLong):
            authorize(video, video.event(), expires_in=DAY + SECOND)


class TestExtending:
    def test_more_work_and_more_time(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        authorizations.extend(
            authorization=row, drafts=fast_minutes(video, "5"), expires_in=2 * HOUR, at=NOW
        )
        stands = as_it_stands(row, at=NOW + HOUR)
        assert (stands.row.quote, stands.held, stands.state) == ({"USD": "15"}, usd(15), "open")
        assert (stands.row.expires_at, len(stands.row.items)) == (NOW + 2 * HOUR, 2)

    def test_what_lacks_credit_changes_nothing(self) -> None:
        video = open_video_world(credit="12")
        row = authorize(video, *fast_minutes(video, "10"))
        with pytest.raises(authorizations.Refused) as refused:
            authorizations.extend(
                authorization=row, drafts=fast_minutes(video, "3"), expires_in=2 * HOUR, at=NOW
            )
        assert refused.value.refusals[0].available == 2
        stands = as_it_stands(row)
        assert (stands.held, stands.row.expires_at) == (usd(10), NOW + HOUR)

    def test_time_is_never_cut_short(self, video: VideoWorld) -> None:
        row = authorize(video, video.event())
        authorizations.extend(authorization=row, expires_in=SECOND, at=NOW)
        assert as_it_stands(row).row.expires_at == NOW + HOUR

    def test_never_beyond_a_day_after_it_was_made(self, video: VideoWorld) -> None:
        row = authorize(video, video.event(), expires_in=12 * HOUR)
        at = NOW + 6 * HOUR
        authorizations.extend(authorization=row, expires_in=18 * HOUR, at=at)
        with pytest.raises(TooLong):
            authorizations.extend(authorization=row, expires_in=18 * HOUR + SECOND, at=at)

    def test_work_in_another_asset_has_a_hold_of_its_own(self) -> None:
        shop = open_shop(["per_unit", "credits"])
        for asset in ("USD", "credits"):
            shop.grant(shop.customers[0], "100", asset=asset)
        done = authorizations.authorize(
            customer=shop.customers[0], drafts=[shop.draft()], expires_in=HOUR, at=NOW
        )
        authorizations.extend(authorization=done.authorization.row, drafts=[shop.draft()], at=NOW)
        assert Hold.objects.count() == 2


class TestEnding:
    def test_released_once(self, video: VideoWorld) -> None:
        row = authorize(video, video.event())
        done = authorizations.release(authorization=row, at=NOW)
        assert (done.authorization.state, available(video)) == ("released", Decimal(100))
        assert done.authorization.row.ended_at == NOW
        for verb in (authorizations.release, authorizations.extend):
            with pytest.raises(AuthorizationEnded) as ended:
                verb(authorization=row, at=NOW)
            assert ended.value.state == "released"

    @pytest.mark.parametrize("sweep", [True, False])
    def test_time_ends_it_under_the_sweeper_and_under_any_other_lock(
        self, video: VideoWorld, sweep: bool
    ) -> None:
        SpendAlertFactory.create(account=video.account, threshold=Decimal(60))
        row = authorize(video, *fast_minutes(video, "50"), on_expiry="capture_full")
        at = NOW + HOUR
        assert as_it_stands(row, at=at).state == "expired"
        assert Hold.objects.get().state == HoldState.OPEN
        if sweep:
            sweeping.settle_due_accounts(at=at)
        else:
            video.record(video.event(), at=at)
        assert Hold.objects.get().state == HoldState.EXPIRED
        assert video.balance(at=at) == (50 if sweep else 49)
        assert AlertFiring.objects.get().balance == 50
        with pytest.raises(AuthorizationEnded, match="expired"):
            authorizations.release(authorization=row, at=at)
        assert (as_it_stands(row).state, as_it_stands(row).captured) == ("expired", usd(50))

    @pytest.mark.parametrize(
        ("on_expiry", "taken"),
        [("release", "0"), ("capture_reported", "0.40"), ("capture_full", "1.00")],
    )
    def test_a_stream_that_falls_silent_is_charged_as_agreed(
        self, video: VideoWorld, on_expiry: str, taken: str
    ) -> None:
        """Vector J19."""
        row = authorize(video, *fast_minutes(video, "1"), on_expiry=on_expiry)
        for so_far in ("0.12", "0.25", "0.40", "0.3"):
            amounts = {"USD": Decimal(so_far)}
            authorizations.report(authorization=row, amounts=amounts, at=NOW)
        sweeping.settle_due_accounts(at=NOW + HOUR)
        assert video.balance() == 100 - Decimal(taken)


class TestReporting:
    def test_progress_is_priced_by_the_engine(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        drafts = [*fast_minutes(video, "2"), video.minutes_of("standard", "1")]
        done = authorizations.report(authorization=row, drafts=drafts, at=NOW)
        assert done.authorization.reported == {"USD": Decimal("2.4")}
        assert not UsageTotal.objects.exists()

    def test_no_more_than_was_held(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        done = authorizations.report(authorization=row, amounts={"USD": Decimal(11)}, at=NOW)
        assert done.authorization.reported == usd(10)

    def test_an_asset_in_which_nothing_is_held_is_named(self, video: VideoWorld) -> None:
        row = authorize(video, video.event())
        with pytest.raises(NotHeld, match="EUR"):
            authorizations.report(authorization=row, amounts={"EUR": Decimal(1)}, at=NOW)


def test_what_is_captured_before_the_end_is_not_charged_again(video: VideoWorld) -> None:
    row = authorize(video, *fast_minutes(video, "10"), on_expiry="capture_reported")
    authorizations.report(authorization=row, amounts={"USD": Decimal(6)}, at=NOW)
    capture(row, event_of(video, row, "4"), final=False)
    sweeping.settle_due_accounts(at=NOW + dt.timedelta(hours=2))
    assert video.balance() == 94
