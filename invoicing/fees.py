"""Fees: base fee and seats of a subscription's periods, as the lines they make.

What is due in advance is charged for the period that begins, what is due in arrears for the one
that is over. Seats that change within a period that was charged in advance are made up for when it
is over, by the day. A trial spares the base fee only.
"""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from accounts.models import Asset
from invoicing import lines, proration
from invoicing.lines import Line, LineKind
from invoicing.models import PeriodOpening, SeatChange
from invoicing.proration import Change, Days, Run
from metering.models import BillingPeriod
from pricing.models import FeeTiming, PlanVersion, Subscription


class Fee(NamedTuple):
    """A line of a fee, and the asset it is due in."""

    asset: Asset
    line: Line


def due_at_start(period: BillingPeriod) -> list[Fee]:
    """Return what a period asks for when it begins."""
    return list(_Fees(period).at_start())


def due_at_end(period: BillingPeriod) -> list[Fee]:
    """Return what a period asks for when it is over; what it should have in advance, too."""
    fees = _Fees(period)
    found = list(fees.at_end())
    if is_opened(period):
        return [*found, *fees.changes()]
    # Nobody came to charge it in time, so all of it is charged now, as the seats were.
    return [*fees.at_start(), *found, *fees.changes()]


def is_opened(period: BillingPeriod) -> bool:
    """Whether what the period asks for when it begins was invoiced."""
    openings = PeriodOpening.objects.for_organization(period.organization_id)
    return openings.filter(period=period.id).exists()


class _Fees:
    """The fees of one period, whose subscription and plan version are read once."""

    def __init__(self, period: BillingPeriod) -> None:
        self.period = period
        self.version: PlanVersion = PlanVersion.objects.select_related(
            "plan", "base_fee_asset", "seat_fee_asset"
        ).get(organization=period.organization_id, id=period.plan_version_id)
        self.subscription: Subscription = Subscription.objects.select_related("customer").get(
            organization=period.organization_id, id=period.subscription_id
        )
        self.zone = ZoneInfo(self.subscription.customer.time_zone)
        self.days = Days(self._day(period.starts_at), self._day(period.ends_at))
        self.begins = self._day(self.subscription.starts_at)

    def _day(self, moment: dt.datetime) -> dt.date:
        return proration.day_of(moment, zone=self.zone)

    @property
    def _ends(self) -> dt.date | None:
        ended_at = self.subscription.ended_at
        return None if ended_at is None else self._day(ended_at)

    def at_start(self) -> Iterator[Fee]:
        if self.version.base_fee_timing == FeeTiming.ADVANCE:
            yield from self._base(ends=None)
        if self.version.seat_fee_timing == FeeTiming.ADVANCE:
            yield from self._seats(self._runs(changed=False))

    def at_end(self) -> Iterator[Fee]:
        if self.version.base_fee_timing == FeeTiming.ARREARS:
            yield from self._base(ends=self._ends)
        if self.version.seat_fee_timing == FeeTiming.ARREARS:
            yield from self._seats(self._runs(changed=True))

    def changes(self) -> Iterator[Fee]:
        if self.version.seat_fee_timing == FeeTiming.ADVANCE and self.version.seat_fee_asset:
            first, changes = self._history()
            charged = proration.charged_days(self.days, begins=self.begins)
            yield from self._seats(
                proration.seat_changes(
                    self.days,
                    charged=charged,
                    first=first,
                    changes=changes,
                    included=self.version.included_seats,
                )
            )

    def _base(self, *, ends: dt.date | None) -> Iterator[Fee]:
        asset, amount = self.version.base_fee_asset, self.version.base_fee_amount
        if asset is None or not amount:
            return
        trial_ends_at = self.subscription.trial_ends_at
        share = proration.share_of(
            self.days,
            begins=self.begins,
            ends=ends,
            trial_ends=None if trial_ends_at is None else self._day(trial_ends_at),
        )
        if share.days:
            yield Fee(
                asset,
                lines.plain_line(
                    kind=LineKind.BASE_FEE,
                    description=f"{self.version.plan.name}: base fee",
                    amount=share.part(amount),
                    scale=asset.scale,
                    note=self._note(proration.words(share)),
                ),
            )

    def _runs(self, *, changed: bool) -> list[Run]:
        first, changes = self._history()
        return proration.seat_runs(
            self.days,
            charged=proration.charged_days(
                self.days, begins=self.begins, ends=self._ends if changed else None
            ),
            first=first,
            changes=changes if changed else (),
            included=self.version.included_seats,
        )

    def _seats(self, runs: list[Run]) -> Iterator[Fee]:
        asset, amount = self.version.seat_fee_asset, self.version.seat_fee_amount
        if asset is None or not amount:
            return
        for run in runs:
            what = "seats" if run.seats > 0 else "seats given back"
            yield Fee(
                asset,
                lines.plain_line(
                    kind=LineKind.SEATS,
                    description=f"{self.version.plan.name}: {what}",
                    quantity=abs(run.seats) * run.share.part(lines.ONE),
                    amount=run.seats * run.share.part(amount),
                    scale=asset.scale,
                    note=self._note(f"{abs(run.seats)} seats", proration.words(run.share)),
                ),
            )

    def _note(self, *words: str) -> str:
        dates = f"{self.days.first.isoformat()} to {self.days.end.isoformat()}"
        return ", ".join([dates, *(each for each in words if each)])

    def _history(self) -> tuple[int, list[Change]]:
        """Return how many seats there were when the period began, and how that changed in it."""
        starts_at = max(self.period.starts_at, self.subscription.starts_at)
        rows = list(
            SeatChange.objects.for_organization(self.period.organization_id)
            .filter(subscription=self.subscription)
            .order_by("effective_at", "id")
        )
        first = rows[0].seats_before if rows else self.subscription.seats
        before = [row for row in rows if row.effective_at <= starts_at]
        if before:
            first = before[-1].seats
        return first, [
            Change(self._day(row.effective_at), row.seats)
            for row in rows
            if starts_at < row.effective_at < self.period.ends_at
        ]
