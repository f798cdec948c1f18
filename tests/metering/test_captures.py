"""Captures: real events of authorized work, paid out of what was held for it."""

from decimal import Decimal

import pytest

from accounts import ledger
from accounts.models import LedgerEntry
from billing_site import self_check
from metering import authorizations, caps, corrections
from metering.authorizations import AuthorizationEnded
from metering.models import CapCounter, DeadLetter, Event, RatedEvent, UsageTotal
from metering.outcomes import Status
from metering.spend_caps import Window
from pricing.models import Aggregation, ShortfallPolicy, Subscription
from tests.authorized_work import (
    as_it_stands,
    authorize,
    capture,
    event_of,
    fast_minutes,
    unknown_id,
    usd,
)
from tests.clock import HOUR, NOW
from tests.price_menu import Dish, open_shop
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db


IMAGES = Dish(
    aggregation=Aggregation.COUNT,
    definition={"charge_model": "per_unit", "unit_amount": "3"},
    asset="credits",
    event_type="image.drawn",
)


@pytest.fixture(autouse=True)
def books_stay_right(db: None) -> object:
    yield
    assert self_check.differences() == []


def available(world: VideoWorld) -> Decimal:
    return ledger.read_balance(world.account, at=NOW).available


class TestAmounts:
    def test_the_true_amount_is_taken_and_the_rest_given_back(self) -> None:
        """Vector J8."""
        video = open_video_world(credit="1000")
        row = authorize(video, *fast_minutes(video, "1000"))
        done = capture(row, event_of(video, row, "743"))
        [charge] = done.outcomes[0].charges
        assert charge == {
            "asset": "USD", "amount": "743", "overage": "0", "balance": "257", "available": "257",
        }  # fmt: skip
        assert (done.authorization.state, done.authorization.held) == ("captured", usd(0))
        assert done.authorization.captured == usd(743)
        assert Event.objects.get().authorization == row.id

    def test_in_parts_with_an_extension(self) -> None:
        """Vector J11."""
        video = open_video_world(credit="150")
        row = authorize(video, *fast_minutes(video, "100"))
        authorizations.extend(authorization=row, drafts=fast_minutes(video, "50"), at=NOW)
        capture(row, event_of(video, row, "40"), final=False)
        capture(row, event_of(video, row, "60"), final=False)
        assert as_it_stands(row).held == usd(50)
        done = authorizations.release(authorization=row, at=NOW)
        assert (done.authorization.state, done.authorization.captured) == ("captured", usd(100))
        assert (video.balance(), available(video)) == (Decimal(50), Decimal(50))

    @pytest.mark.parametrize(
        ("policy", "limit", "charge"),
        [
            ("block", "0", {"overage": "0", "balance": "0", "uncollected": "10"}),
            ("overage", "0", {"overage": "10", "balance": "0"}),
            ("overdraft", "50", {"overage": "0", "balance": "-10"}),
        ],
    )
    def test_more_than_was_held_takes_what_there_is(
        self, policy: str, limit: str, charge: dict[str, str]
    ) -> None:
        """Vector J18."""
        video = open_video_world(
            credit="120", policy=ShortfallPolicy(policy), overdraft_limit=limit
        )
        row = authorize(video, *fast_minutes(video, "100"))
        [outcome] = capture(row, event_of(video, row, "130")).outcomes
        assert outcome.status == Status.RECORDED
        assert outcome.charges[0].items() >= {"amount": "130", **charge}.items()
        assert ("uncollected" in outcome.charges[0]) is (policy == "block")
        rated, total = RatedEvent.objects.get(), UsageTotal.objects.get()
        for row_ in (rated, total):
            assert row_.overage == Decimal(charge["overage"])
            assert row_.uncollected == Decimal(charge.get("uncollected", "0"))

    def test_others_holds_are_not_touched(self) -> None:
        video = open_video_world(credit="100")
        other = authorize(video, *fast_minutes(video, "60"))
        row = authorize(video, *fast_minutes(video, "30"))
        [outcome] = capture(row, event_of(video, row, "50")).outcomes
        assert outcome.charges[0]["uncollected"] == "10"
        assert as_it_stands(other).held == usd(60)

    def test_work_in_an_asset_in_which_nothing_was_held_is_taken_beside_it(self) -> None:
        shop = open_shop(["per_unit"], also={"images": IMAGES})
        for asset, amount in (("USD", "100"), ("credits", "2")):
            shop.grant(shop.customers[0], amount, asset=asset)
        done = authorizations.authorize(
            customer=shop.customers[0], drafts=[shop.draft()], expires_in=HOUR, at=NOW
        )
        row = done.authorization.row
        image = shop.draft(raw={"type": "image.drawn", "authorization": str(row.id)})
        [outcome] = capture(row, image).outcomes
        [charge] = outcome.charges
        assert charge.items() >= {"amount": "3", "uncollected": "1", "balance": "0"}.items()
        assert as_it_stands(row).state == "captured"


class TestExactlyOnce:
    def test_a_capture_sent_again_is_answered_the_same_also_after_the_end(
        self, video: VideoWorld
    ) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        drafts = [event_of(video, row, "2"), event_of(video, row, "3")]
        first = capture(row, *drafts)
        again = capture(row, *drafts)
        assert [outcome.status for outcome in again.outcomes] == [Status.REPLAYED] * 2
        assert [o.charges for o in again.outcomes] == [o.charges for o in first.outcomes]
        assert again.authorization == first.authorization
        assert video.balance() == 95

    def test_an_event_is_taken_once_in_parts_and_whole(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        draft = event_of(video, row, "2")
        capture(row, draft, final=False)
        done = capture(row, draft, event_of(video, row, "1"))
        assert [each.status for each in done.outcomes] == [Status.REPLAYED, Status.RECORDED]
        assert (done.authorization.state, done.authorization.captured) == ("captured", usd(3))

    def test_a_final_capture_of_known_events_alone_ends_it(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        draft = event_of(video, row, "2")
        capture(row, draft, final=False)
        assert capture(row, draft).authorization.state == "captured"
        assert available(video) == 98

    def test_new_events_after_the_end_are_refused_with_the_state(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        draft = event_of(video, row, "2")
        capture(row, draft)
        for more in ([event_of(video, row, "1")], [draft, event_of(video, row, "1")], []):
            with pytest.raises(AuthorizationEnded) as ended:
                capture(row, *more)
            assert ended.value.state == "captured"
        assert Event.objects.count() == 1

    def test_another_event_under_a_known_id_is_a_conflict(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        draft = event_of(video, row, "2", id="one")
        capture(row, draft, final=False)
        done = capture(row, event_of(video, row, "3", id="one"))
        assert [outcome.status for outcome in done.outcomes] == [Status.CONFLICT]
        assert (done.authorization.state, done.authorization.captured) == ("captured", usd(2))

    def test_with_and_without_the_authorization_are_two_payloads(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        video.record(video.event(id="one"))
        done = capture(row, event_of(video, row, id="one"), final=False)
        assert done.outcomes[0].status == Status.CONFLICT


class TestWhatCannotBePriced:
    def test_is_a_dead_letter_and_the_others_go_on(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        broken = video.event(
            properties={"minutes": "x", "speed": "fast"}, authorization=str(row.id)
        )
        done = capture(row, event_of(video, row, "2"), broken)
        assert [each.status for each in done.outcomes] == [Status.RECORDED, Status.UNPRICED]
        assert (done.authorization.state, available(video)) == ("captured", Decimal(98))
        assert DeadLetter.objects.count() == 1

    def test_alone_it_releases(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        done = capture(row, video.event(type="other", authorization=str(row.id)))
        assert (done.authorization.state, available(video)) == ("released", Decimal(100))

    def test_a_customer_who_left_has_the_rest_given_back(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        Subscription.objects.update(ended_at=NOW)
        done = capture(row, event_of(video, row))
        assert done.outcomes[0].status == Status.UNPRICED
        assert (done.authorization.state, available(video)) == ("released", Decimal(100))


class TestEventsThatNameTheirAuthorization:
    def test_are_captured_and_it_stays_open(self, video: VideoWorld) -> None:
        row = authorize(video, *fast_minutes(video, "10"))
        draft = event_of(video, row, "4")
        [first] = video.record(draft)
        assert (first.status, first.charges[0]["available"]) == (Status.RECORDED, "90")
        assert video.record(draft)[0].status == Status.REPLAYED
        stands = as_it_stands(row)
        assert (stands.state, stands.held, stands.captured) == ("open", usd(6), usd(4))

    def test_are_not_refused_though_nothing_is_left(self) -> None:
        video = open_video_world(credit="5")
        row = authorize(video, *fast_minutes(video, "5"))
        outcomes = video.record(event_of(video, row, "7"), video.event())
        assert [each.status for each in outcomes] == [Status.RECORDED, Status.BLOCKED]

    def test_one_that_is_unknown_or_of_somebody_else_is_invalid(self, video: VideoWorld) -> None:
        theirs = open_video_world()
        neighbour = video.add_customer()
        others = [
            authorize(theirs, theirs.event()).id,
            authorize(neighbour, neighbour.event()).id,
            unknown_id(),
        ]
        outcomes = video.record(*(video.event(authorization=str(each)) for each in others))
        assert [each.status for each in outcomes] == [Status.INVALID] * 3
        assert {error.field for each in outcomes for error in each.errors} == {"authorization"}

    def test_one_that_has_ended_is_a_conflict(self, video: VideoWorld) -> None:
        released, expired = (authorize(video, video.event()) for _ in range(2))
        authorizations.release(authorization=released, at=NOW)
        outcomes = video.record(event_of(video, released), event_of(video, expired), at=NOW + HOUR)
        assert [(each.status, each.reason) for each in outcomes] == [
            (Status.CONFLICT, "authorization_ended")
        ] * 2
        assert "released" in outcomes[0].detail
        assert "expired" in outcomes[1].detail
        assert not LedgerEntry.objects.filter(kind="usage").exists()

    def test_events_of_several_in_one_set(self, video: VideoWorld) -> None:
        rows = [authorize(video, *fast_minutes(video, "10")) for _ in range(3)]
        video.record(*(event_of(video, row, "1") for row in rows * 2))
        assert [as_it_stands(row).captured for row in rows] == [usd(2)] * 3


@pytest.mark.parametrize("final", [True, False])
def test_a_captured_event_that_is_taken_back_gives_back_what_was_paid(final: bool) -> None:
    video = open_video_world(credit="20")
    cap = caps.set_cap(
        customer=video.customer, limit=Decimal(90), window=Window.DAY, asset=video.usd, at=NOW
    )
    row = authorize(video, *fast_minutes(video, "10"))
    draft = event_of(video, row, "25")
    assert capture(row, draft, final=final).outcomes[0].charges[0]["uncollected"] == "5"
    corrections.void_event(organization_id=video.organization.id, key=draft.key, at=NOW)
    assert video.balance() == 20
    assert CapCounter.objects.get(cap=cap).used == 0
