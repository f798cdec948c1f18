"""Runs of the self-check: what is kept of them, whom they park, and how much they look at."""

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest

from accounts import parked_customers, proofs
from accounts.checks import Difference
from accounts.models import CreditAccount, LedgerEntry, Parking, ProofDifference, ProofRun
from billing_site import self_check
from billing_site.tasks import check_ledger_now
from invoicing import closing
from invoicing.models import Invoice
from metering import sample_audit
from metering.models import BillingPeriod, RatedEvent, UsageTotal
from tests.clock import DAY, HOUR, NOW, SECOND
from tests.factories import OrganizationFactory, ProofRunFactory, UserFactory
from tests.guarded_tables import run, unguarded
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)
BALANCE = "a balance is the sum of its entries"


def ticking(start: dt.datetime, *, step: dt.timedelta = SECOND / 1000) -> self_check.Clock:
    """Return a clock that moves each time it is read."""
    moments = (start + number * step for number in range(1_000_000))
    return lambda: next(moments)


def check(at: dt.datetime = NOW, *, step: dt.timedelta = SECOND / 1000) -> list[Difference]:
    return self_check.prove(clock=ticking(at, step=step))


def newest_run(world: VideoWorld) -> ProofRun:
    return ProofRun.objects.for_organization(world.organization).latest("started_at")


def give(world: VideoWorld, amount: str) -> None:
    """Break a balance, as somebody with the tables' owner's rights could."""
    with unguarded():
        CreditAccount.objects.filter(id=world.account.id).update(balance=Decimal(amount))


class TestKeeping:
    def test_a_run_says_what_it_looked_at(self, video: VideoWorld) -> None:
        video.record(video.event(), video.event())
        assert check() == []
        kept = newest_run(video)
        assert kept.is_full
        assert kept.differences == 0
        assert kept.checks == len(self_check.CHECKS) + 2
        assert kept.looked_at | {"accounts": 1, "events": 2, "ledger entries": 3} == kept.looked_at
        assert (kept.events_replayed, kept.totals_added_up) == (2, 1)

    def test_every_organization_gets_its_part(self, video: VideoWorld) -> None:
        empty = OrganizationFactory.create()
        check()
        assert ProofRun.objects.for_organization(empty).get().looked_at == {}
        assert ProofRun.objects.for_organization(video.organization).count() == 1

    def test_differences_are_kept_with_their_customer(self, video: VideoWorld) -> None:
        give(video, "7")
        check()
        found = ProofDifference.objects.for_organization(video.organization).get(promise=BALANCE)
        assert found.customer == video.customer
        assert found.detail == "has 7.000000000000, its entries add up to 100.000000000000"

    def test_a_customer_that_is_not_there_is_nobody(self, video: VideoWorld) -> None:
        video.record(video.event())
        with unguarded():
            run("UPDATE metering_event SET customer_id = gen_random_uuid()")
        check()
        kept = ProofDifference.objects.for_organization(video.organization)
        assert {each.customer_id for each in kept} == {video.customer.id, None}

    def test_one_at_a_time(self, video: VideoWorld) -> None:
        proofs.start(at=NOW)
        with pytest.raises(proofs.AlreadyRunning):
            check(NOW + MINUTE)

    def test_a_run_that_moves_is_at_work_however_long_it_takes(self, video: VideoWorld) -> None:
        runs = proofs.start(at=NOW)
        proofs.keep_alive(runs, at=NOW + HOUR)
        assert proofs.is_running(at=NOW + HOUR + MINUTE)

    def test_a_dead_run_stays_told_and_stops_nobody(self, video: VideoWorld) -> None:
        [dead] = proofs.start(at=NOW)
        check(NOW + 6 * MINUTE)
        dead.refresh_from_db()
        assert dead.finished_at is None
        assert newest_run(video).finished_at is not None

    def test_old_runs_go_but_for_those_that_found_something(
        self, video: VideoWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(proofs, "RUNS_KEPT", 2)
        here = {"organization": video.organization}
        broken = ProofRunFactory.create(**here, started_at=NOW, differences=1)
        ProofRunFactory.create(**here, started_at=NOW + SECOND)
        check(NOW + MINUTE)
        check(NOW + 2 * MINUTE)
        kept = ProofRun.objects.for_organization(video.organization)
        assert [each.started_at for each in kept.order_by("-started_at")] == [
            NOW + 2 * MINUTE,
            NOW + MINUTE,
            broken.started_at,
        ]

    def test_asking_again_at_once_does_not_run_again(self, video: VideoWorld) -> None:
        check_ledger_now()
        check_ledger_now()
        assert ProofRun.objects.count() == 1


class TestPasses:
    """Which rows a run looks at."""

    def test_a_quick_full_pass_is_run_every_time(self, video: VideoWorld) -> None:
        check(NOW)
        check(NOW + MINUTE)
        assert newest_run(video).is_full

    def test_a_slow_one_waits_twenty_times_as_long(self, video: VideoWorld) -> None:
        took = self.slow_full_pass(video)
        for later, is_full in ((19 * took, False), (21 * took, True)):
            check(NOW + later)
            assert newest_run(video).is_full == is_full

    @pytest.mark.parametrize(("after", "is_full"), [(3, False), (5, True)])
    def test_whoever_asks_waits_less(self, video: VideoWorld, after: int, is_full: bool) -> None:
        took = self.slow_full_pass(video)
        self_check.prove(clock=ticking(NOW + (after + 1) * took), asked=True)
        assert newest_run(video).is_full == is_full

    def slow_full_pass(self, video: VideoWorld) -> dt.timedelta:
        finished = NOW + 2 * MINUTE
        ProofRunFactory.create(
            organization=video.organization, started_at=NOW, finished_at=finished
        )
        return finished - NOW

    @pytest.mark.parametrize(
        ("change", "promise"),
        [
            ("account_version = 100", "the entries of an account are numbered from 1 without"),
            ("balance_after = balance_after + 1", "each entry moves the balance by its amount"),
        ],
    )
    def test_between_them_new_entries_are_looked_at(
        self, video: VideoWorld, change: str, promise: str
    ) -> None:
        video.record(video.event(), at=NOW + 4 * MINUTE)
        self.slow_full_pass(video)
        with unguarded():
            run(f"UPDATE accounts_ledgerentry SET {change} WHERE account_version = 2")
        found = check(NOW + 5 * MINUTE)
        assert not newest_run(video).is_full
        assert [each for each in found if each.promise.startswith(promise)]
        assert {each.customer_id for each in found} == {video.customer.id}

    def test_right_books_are_right_to_a_short_pass_too(self, video: VideoWorld) -> None:
        self.slow_full_pass(video)
        video.record(video.event(), at=NOW + 4 * MINUTE)
        assert check(NOW + 5 * MINUTE) == []
        assert newest_run(video).looked_at["ledger entries"] == 1

    def test_what_a_short_pass_found_the_next_one_finds_again(self, video: VideoWorld) -> None:
        video.record(video.event(), at=NOW + 4 * MINUTE)
        self.slow_full_pass(video)
        with unguarded():
            run("UPDATE accounts_ledgerentry SET balance_after = 1 WHERE account_version = 2")
        first = check(NOW + 5 * MINUTE)
        assert first
        assert check(NOW + 30 * MINUTE) == first
        assert not newest_run(video).is_full


class TestParking:
    def test_parks_whom_it_concerns_and_nobody_else(self, video: VideoWorld) -> None:
        video.add_customer()
        open_video_world()
        give(video, "7")
        check()
        parking = Parking.objects.get()
        assert parking.customer == video.customer
        assert parking.promise == "an account stands at its newest entry"
        assert parking.run == newest_run(video)

    def test_whoever_is_parked_stays_so_once(self, video: VideoWorld) -> None:
        give(video, "7")
        check(NOW)
        check(NOW + MINUTE)
        assert Parking.objects.get().parked_at < NOW + MINUTE

    def test_is_not_invoiced_while_its_neighbour_is(self, video: VideoWorld) -> None:
        neighbour = video.add_customer()
        video.record(video.event())
        neighbour.record(neighbour.event(id="neighbour"))
        give(video, "7")
        check()
        closing.close_due_periods(at=NOW + 30 * DAY)
        assert closing.build_due_invoices(at=NOW + 30 * DAY) == 1
        assert Invoice.objects.get().customer == neighbour.customer
        period = BillingPeriod.objects.get(customer=video.customer, closed_at__isnull=False)
        assert period.invoiced_at is None

    def test_is_not_invoiced_by_name_either(self, video: VideoWorld) -> None:
        video.record(video.event())
        closing.close_due_periods(at=NOW + 30 * DAY)
        give(video, "7")
        check()
        period = BillingPeriod.objects.get(closed_at__isnull=False)
        here = {"organization_id": video.organization.id, "period_id": period.id}
        assert closing.build_invoices(**here, at=NOW + 30 * DAY) == []

    def test_goes_on_being_served(self, video: VideoWorld) -> None:
        with unguarded():
            LedgerEntry.objects.update(contra="cash", balance_after=99)
        check()
        assert Parking.objects.exists()
        [outcome] = video.record(video.event())
        assert outcome.status == "recorded"

    def test_is_invoiced_once_it_was_let_go(self, video: VideoWorld) -> None:
        video.record(video.event())
        with unguarded():
            UsageTotal.objects.update(events=7)
        check()
        self.let_go(video)
        closing.close_due_periods(at=NOW + 30 * DAY)
        assert closing.build_due_invoices(at=NOW + 30 * DAY) == 1

    def let_go(self, video: VideoWorld, reason: str = "A backup was restored") -> Parking:
        return parked_customers.let_go(
            organization=video.organization,
            parking_id=Parking.objects.get(let_go_at=None).id,
            reason=reason,
            by=UserFactory.create(),
            at=NOW + HOUR,
        )

    def test_keeps_who_let_it_go_and_why(self, video: VideoWorld) -> None:
        give(video, "7")
        check()
        parking = self.let_go(video, " A backup was restored\0 ")
        assert parking.let_go_reason == "A backup was restored"
        assert (parking.let_go_at, parking.let_go_by is None) == (NOW + HOUR, False)

    def test_is_parked_again_while_its_books_are_wrong(self, video: VideoWorld) -> None:
        give(video, "7")
        check(NOW)
        self.let_go(video)
        check(NOW + 2 * HOUR)
        assert [each.let_go_at for each in Parking.objects.order_by("parked_at")] == [
            NOW + HOUR,
            None,
        ]

    @pytest.mark.parametrize("reason", ["", " ", "\0", "x" * 501])
    def test_nobody_is_let_go_without_a_reason(self, video: VideoWorld, reason: str) -> None:
        give(video, "7")
        check()
        with pytest.raises(parked_customers.ReasonMissing):
            self.let_go(video, reason)

    def test_nobody_is_let_go_by_a_stranger(self, video: VideoWorld) -> None:
        give(video, "7")
        check()
        with pytest.raises(parked_customers.NotParked):
            parked_customers.let_go(
                organization=OrganizationFactory.create(),
                parking_id=Parking.objects.get().id,
                reason="mine",
                by=UserFactory.create(),
                at=NOW,
            )


class TestSample:
    def sample(self, video: VideoWorld, seed: int = 1) -> sample_audit.Sample:
        return sample_audit.check(organization_id=video.organization.id, seed=uuid.UUID(int=seed))

    def test_a_right_history_replays_to_the_last_digit(self, video: VideoWorld) -> None:
        for minutes in ("0.000000000007", "3.333333333333", "1"):
            video.record(video.minutes_of("standard", minutes), video.minutes_of("fast", minutes))
        sample = self.sample(video)
        assert (sample.events, sample.totals, sample.differences) == (6, 2, [])

    def test_reads_no_more_of_a_longer_history(self, video: VideoWorld) -> None:
        video.record(*(video.event() for _ in range(400)))
        assert 50 < self.sample(video).events <= sample_audit.EVENTS

    def test_another_run_draws_another_sample(self, video: VideoWorld) -> None:
        video.record(*(video.event() for _ in range(400)))
        numbers = {self.sample(video, seed).events for seed in range(5)}
        assert len(numbers) > 1
        assert self.sample(video, 3).events == self.sample(video, 3).events

    def test_a_smaller_sample_can_be_asked_for(self, video: VideoWorld) -> None:
        video.record(*(video.event() for _ in range(50)))
        sample = sample_audit.check(
            organization_id=video.organization.id, seed=uuid.UUID(int=1), events=10
        )
        assert 2 <= sample.events <= 10

    BREAKS: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: RatedEvent.objects.update(amount=2), "charged 2, priced again 1"),
        (lambda: RatedEvent.objects.update(cell="x"), "cannot be priced again"),
        (lambda: RatedEvent.objects.update(working={}), "cannot be priced again"),
        (lambda: RatedEvent.objects.update(working={"quantity": "a"}), "cannot be priced again"),
    )

    @pytest.mark.parametrize(("break_it", "detail"), BREAKS)
    def test_a_wrong_charge_is_found(
        self, video: VideoWorld, break_it: Callable[[], object], detail: str
    ) -> None:
        video.record(video.event())
        with unguarded():
            break_it()
        found = [
            each for each in self.sample(video).differences if each.promise == sample_audit.CHARGED
        ]
        assert [each.customer_id for each in found] == [video.customer.id]
        assert detail in found[0].detail

    def test_a_wrong_total_is_found(self, video: VideoWorld) -> None:
        video.record(video.event())
        with unguarded():
            UsageTotal.objects.update(amount=2)
        [found] = self.sample(video).differences
        assert (found.promise, found.customer_id) == (sample_audit.ADDED_UP, video.customer.id)

    def test_an_organization_without_anything_has_nothing_to_replay(self, db: None) -> None:
        empty = OrganizationFactory.create()
        sample = sample_audit.check(organization_id=empty.id, seed=uuid.UUID(int=1))
        assert sample == sample_audit.Sample(events=0, totals=0, differences=[])
