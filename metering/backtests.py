"""Backtests: what the usage of the past would have been charged at a plan version, draft or not.

Each billing period that meets the range is replayed from its first event, with totals that begin
empty, under its own bounds and in the order in which its events were rated. What counts is charged
in the range: an event when it was received, the end of a period when the period ended; of a period
still open, what its end would add so far, when the range reaches to the time of asking. Both sides
are taken from one moment, so the prices that were charged make a difference of exactly zero. What
customers agreed for themselves stays agreed. Voided events are left out; what others were charged
or given back because of them counts with the end of the period. Fees, coupons and credits are not
compared, and nobody is blocked: the same usage is priced, whether or not it could have been paid.

The row of a run is the work. It is done slice by slice, each in one transaction that also notes
where the next one goes on: a worker may die at any moment, and two do not do one slice twice.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet

from accounts import parking, tenancy
from accounts.models import Asset, Customer, User
from metering import backtest_rows, settlement
from metering.backtest_rows import RecordedEvent
from metering.backtest_tariffs import Tariff, fingerprint
from metering.models import UNFINISHED, BacktestRun, BacktestState, BillingPeriod
from metering.replaying import Amount, Comparison, Difference, Refusals, Replay
from pricing import publication
from pricing.aggregation import Unpriceable
from pricing.bills import SampleEvent
from pricing.models import Plan, PlanVersion
from pricing.publication import Problem
from pricing.rating import Span

EVENTS_PER_SLICE = 50_000
PERIODS_PER_SLICE = 1_000
UNFINISHED_MAX = 10
ATTEMPTS_MAX = 5
CLAIM = dt.timedelta(seconds=10)
# Beyond so much to remember, a period is rather replayed to its end than written down half way.
REMEMBERED_MAX = 100_000
_SERIALIZATION_FAILURE = "40001"


class VersionRefused(Exception):
    """The version cannot be replayed as it is; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.reason}" for problem in problems))
        self.problems = problems


class UnknownVersion(LookupError):
    """The organization has no such plan, or the plan no such version; the message says which."""


class TooManyRuns(Exception):
    """The organization has so many backtests waiting that another one has to wait with it."""


class _VersionChanged(Exception):
    """The draft, or what was agreed beside it, is not what the run was asked for any more."""


def find_version(*, organization_id: uuid.UUID, plan: str, number: int | None) -> PlanVersion:
    """Return a version of the plan with this code, by default its draft or else its newest.

    Raises UnknownVersion.
    """
    found = Plan.objects.filter(organization=organization_id, code=plan).first()
    if found is None:
        raise UnknownVersion("is not a plan of your organization")
    versions = found.versions.select_related("plan")
    if number is not None:
        version = versions.filter(number=number).first()
    else:
        public = versions.filter(customer=None)
        # "draft" comes before "published".
        version = public.order_by("state", "-number").first()
    if version is None:
        raise UnknownVersion("the plan has no such version")
    return version


def request_backtest(
    *,
    plan_version: PlanVersion,
    range_starts_at: dt.datetime,
    range_ends_at: dt.datetime,
    at: dt.datetime,
    customers: Collection[Customer] = (),
    everyone: bool = False,
    by: User | None = None,
) -> BacktestRun:
    """Write down that a backtest is wanted; `advance` does it.

    Without `customers` it is about those who were on the plan, with `everyone` about those who
    were on any. Raises ValueError for a range that ends before it starts, and what `check` raises.
    """
    if range_ends_at <= range_starts_at:
        raise ValueError("a range ends after its start")
    with tenancy.transaction_for(plan_version.organization_id):
        check(plan_version)
        return BacktestRun.objects.create(
            organization_id=plan_version.organization_id,
            plan_version=plan_version,
            range_starts_at=range_starts_at,
            range_ends_at=range_ends_at,
            customer_ids=sorted(customer.id for customer in customers),
            everyone=everyone,
            fingerprint=fingerprint(plan_version),
            requested_by=by,
            requested_at=at,
        )


def check(plan_version: PlanVersion) -> None:
    """Raise VersionRefused for a draft that could not be published as it is, or TooManyRuns."""
    if plan_version.is_draft:
        problems = publication.check(plan_version)
        if problems:
            raise VersionRefused(problems)
    runs = BacktestRun.objects.for_organization(plan_version.organization_id)
    if runs.filter(state__in=UNFINISHED).count() >= UNFINISHED_MAX:
        raise TooManyRuns


def advance_all(*, at: dt.datetime) -> bool:
    """Do a slice of every backtest that is not finished; whether there is more to do.

    Raises ExceptionGroup, after all the others, for backtests that failed unexpectedly.
    """
    unfinished = BacktestRun.objects.filter(state__in=UNFINISHED).order_by("requested_at")
    ids = list(unfinished.values_list("id", flat=True))
    return bool(parking.serve_each(ids, lambda run_id: int(advance(run_id=run_id, at=at))))


def advance(*, run_id: uuid.UUID, at: dt.datetime) -> bool:
    """Do the next slice of a backtest; whether the caller should come again for another.

    Does nothing for one that is finished, or that somebody else is busy with.
    """
    run = _claim(run_id, at=at)
    if run is None:
        return False
    try:
        with tenancy.one_moment_for(run.organization_id, read_only=False):
            return _advance(run_id, at=at)
    except _VersionChanged:
        reason = "The draft, or a price agreed with a customer, was changed in the meantime."
        _fail(run_id, reason, at=at)
    except OperationalError as error:
        # Nothing is lost by it: whoever comes next goes on from the same place.
        if getattr(error.__cause__, "sqlstate", "") != _SERIALIZATION_FAILURE:
            raise
    except Exception as error:
        _fail(run_id, f"{type(error).__name__}: {error}", at=at)
        raise
    return False


def _claim(run_id: uuid.UUID, *, at: dt.datetime) -> BacktestRun | None:
    """Count the attempt, so that what kills its worker again and again is given up.

    The claim holds just until the slice has begun, which then holds the row.
    """
    with transaction.atomic():
        run = _locked(run_id, skip_locked=True)
        if run is None or (run.claimed_until is not None and run.claimed_until > at):
            return None
        if run.attempts >= ATTEMPTS_MAX:
            run.state, run.finished_at = BacktestState.FAILED, at
            run.error = f"Given up: the worker stopped {run.attempts} times at the same place."
            run.save(update_fields=["state", "finished_at", "error"])
            return None
        run.attempts += 1
        run.claimed_until = at + CLAIM
        run.state = BacktestState.RUNNING
        run.started_at = run.started_at or at
        run.save(update_fields=["attempts", "claimed_until", "state", "started_at"])
    return run


def _locked(run_id: uuid.UUID, *, skip_locked: bool) -> BacktestRun | None:
    return (
        BacktestRun.objects.select_for_update(no_key=True, skip_locked=skip_locked, of=("self",))
        .select_related("plan_version__plan")
        .filter(id=run_id, state__in=UNFINISHED)
        .first()
    )


def _fail(run_id: uuid.UUID, reason: str, *, at: dt.datetime) -> None:
    BacktestRun.objects.filter(id=run_id, state__in=UNFINISHED).update(
        state=BacktestState.FAILED, finished_at=at, error=reason[:500]
    )


def _advance(run_id: uuid.UUID, *, at: dt.datetime) -> bool:
    # Whoever looked at the claim at the same time lets go of the row at once.
    run = _locked(run_id, skip_locked=False)
    if run is None:
        return False
    if fingerprint(run.plan_version) != run.fingerprint:
        raise _VersionChanged
    with connection.cursor() as cursor:
        # Sorting the events of a large period may take longer than any page may.
        cursor.execute("SET LOCAL statement_timeout = '5min'")
    if run.events_total is None:
        run.events_total = backtest_rows.count_events(
            periods_of(run), received_before=run.range_ends_at
        )
    return _Slice(run, at=at).do()


def periods_of(run: BacktestRun) -> QuerySet[BillingPeriod]:
    """Return the billing periods that a run replays, customer by customer, oldest first."""
    periods = BillingPeriod.objects.for_organization(run.organization_id).filter(
        starts_at__lt=run.range_ends_at, ends_at__gt=run.range_starts_at
    )
    if run.customer_ids:
        periods = periods.filter(customer__in=run.customer_ids)
    elif not run.everyone:
        periods = periods.filter(plan_version__plan=run.plan_version.plan_id)
    return periods.order_by("customer", "starts_at", "id")


class _Slice:
    """The next part of a run, all of it in one transaction."""

    def __init__(self, run: BacktestRun, *, at: dt.datetime) -> None:
        self.run = run
        self.at = at
        self.tariff = Tariff(run.plan_version)
        self.compared: dict[uuid.UUID, Comparison] = defaultdict(Comparison)
        self.refusals = Refusals.read(run.refusals)
        self.events = 0

    def do(self) -> bool:
        """Replay until the slice is full or nothing is left; returns whether something is left."""
        periods = list(self._periods_left()[:PERIODS_PER_SLICE])
        self.tariff.agree({period.customer_id for period in periods})
        is_left = len(periods) == PERIODS_PER_SLICE
        for period in periods:
            if not self._replay(period) or self.events >= EVENTS_PER_SLICE:
                is_left = True
                break
        self._write(is_left=is_left)
        return is_left

    def _periods_left(self) -> QuerySet[BillingPeriod]:
        periods, place = periods_of(self.run), self.run.place
        if not place:
            return periods
        same = Q(customer=place["customer"], starts_at=place["starts_at"])
        beyond = (
            Q(customer__gt=place["customer"])
            | Q(customer=place["customer"], starts_at__gt=place["starts_at"])
            | (same & Q(id__gt=place["period"]))
        )
        # A period that was left half way comes first again.
        return periods.filter(beyond | Q(id=place["period"]) if "totals" in place else beyond)

    def _replay(self, period: BillingPeriod) -> bool:
        """Replay a period, or go on with it; returns whether its end was reached."""
        replay = Replay(self.tariff.prices_for(period.customer_id), _span(period))
        place, after = self.run.place, 0
        if place.get("period") == str(period.id) and "totals" in place:
            replay.take_up(place["totals"])
            after = place["position"]
        closes = self._closes_in_range(period)
        until = None if closes else self.run.range_ends_at
        with backtest_rows.events_of(period, after=after, received_before=until) as events:
            for event in events:
                self._count(event, replay, period)
                if self.events >= EVENTS_PER_SLICE and replay.size <= REMEMBERED_MAX:
                    self._note_place(period, replay, position=event.position)
                    return False
        if closes:
            self.compared[period.customer_id].close(
                charged=[*_charged_at_close(period), *backtest_rows.rerated(period)],
                would_be=replay.due_at_close(),
            )
        self._note_place(period)
        return True

    def _closes_in_range(self, period: BillingPeriod) -> bool:
        if period.ends_at <= self.run.range_ends_at:
            return True
        asked_at = self.run.requested_at
        was_open = period.closed_at is None or period.closed_at > asked_at
        return was_open and self.run.range_ends_at >= asked_at

    def _count(self, event: RecordedEvent, replay: Replay, period: BillingPeriod) -> None:
        self.events += 1
        would_be: list[Amount] | None = None
        refusal: Unpriceable | None = None
        try:
            would_be = replay.rate(
                SampleEvent(
                    type=event.type, properties=event.properties, occurred_at=event.occurred_at
                )
            )
        except Unpriceable as error:
            refusal = error
        # A change of time zone may let a period begin after its first event was received.
        charged_at = max(event.received_at, period.starts_at)
        if not self.run.range_starts_at <= charged_at < self.run.range_ends_at:
            return
        if refusal is not None:
            self.run.events_unpriced += 1
            self.refusals.add(refusal, example=event.external_id)
        self.compared[period.customer_id].count(
            charged=event.charged, would_be=would_be, cost=event.cost
        )

    def _note_place(
        self, period: BillingPeriod, replay: Replay | None = None, *, position: int = 0
    ) -> None:
        place: dict[str, Any] = {
            "customer": str(period.customer_id),
            "starts_at": period.starts_at.isoformat(),
            "period": str(period.id),
        }
        if replay is not None:
            place |= {"position": position, "totals": replay.written_down()}
        self.run.place = place

    def _write(self, *, is_left: bool) -> None:
        backtest_rows.add_results(self._results(), self.run, at=self.at)
        run = self.run
        run.events_done += self.events
        run.refusals = self.refusals.written_down()
        run.attempts, run.claimed_until = 0, None
        if not is_left:
            run.state, run.finished_at = BacktestState.DONE, self.at
            # Events may have come, and periods closed, since they were counted.
            run.events_total = run.events_done
            run.place = {}
        run.save(
            update_fields=[
                "place", "events_done", "events_total", "events_unpriced", "refusals", "attempts",
                "claimed_until",
                "state", "finished_at",
            ]
        )  # fmt: skip

    def _results(self) -> dict[tuple[uuid.UUID, uuid.UUID], Difference]:
        assets = dict(
            Asset.objects.for_organization(self.run.organization_id).values_list("code", "id")
        )
        return {
            (customer_id, assets[code]): difference
            for customer_id, comparison in self.compared.items()
            for code, difference in comparison.differences.items()
        }


def _span(period: BillingPeriod) -> Span:
    return Span(period.starts_at, period.ends_at)


def _charged_at_close(period: BillingPeriod) -> list[Amount]:
    """Return what a period's end has charged, or would charge as it stands."""
    if period.invoiced_at is not None:
        return backtest_rows.charged_at_close(period)
    return [Amount(price.asset_code, charge.amount) for price, charge in settlement.due(period)]
