"""Backtest reports: what a run has found so far, added up for people and programs to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Abs

from accounts.models import Asset
from metering.models import BacktestResult, BacktestRun, BacktestState

_HUNDREDTH = Decimal("0.01")
_WHOLE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was charged in `asset` and what would have been.

    `cost` is None when nothing is known of it. Events without a known cost, and what they were
    charged, are left out of margins, so that none looks better than it is.
    """

    asset: Asset
    charged: Decimal
    would_be: Decimal
    events: int
    unpriced: int
    cost: Decimal | None
    uncosted: int
    charged_uncosted: Decimal
    would_be_uncosted: Decimal

    @property
    def difference(self) -> Decimal:
        """What would have been charged beyond what was; below zero it is less."""
        return self.would_be - self.charged

    @property
    def percent(self) -> Decimal | None:
        """The difference as a share of what was charged, to two places; None if that was none."""
        return _share(self.difference, self.charged)

    @property
    def margin_before(self) -> Decimal | None:
        """What was left when vendors had taken theirs."""
        return None if self.cost is None else self.charged - self.charged_uncosted - self.cost

    @property
    def margin_after(self) -> Decimal | None:
        """What would have been left."""
        return None if self.cost is None else self.would_be - self.would_be_uncosted - self.cost


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    if not whole:
        return None
    return (part * _WHOLE / whole).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTotal:
    """All customers in one asset, and how many of them would have paid more, or less."""

    figures: Figures
    customers: int
    more: int
    less: int

    @property
    def same(self) -> int:
        """How many would have paid exactly what they did."""
        return self.customers - self.more - self.less


_SUMMED = (
    "charged", "would_be", "events", "unpriced", "cost", "uncosted", "charged_uncosted",
    "would_be_uncosted",
)  # fmt: skip


def figures_of(result: BacktestResult) -> Figures:
    """Return one customer's figures; the result needs its asset."""
    return Figures(asset=result.asset, **{name: getattr(result, name) for name in _SUMMED})


def totals(run: BacktestRun) -> list[AssetTotal]:
    """Return the sums of all customers, by asset."""
    rows = (
        BacktestResult.objects.for_organization(run.organization_id)
        .filter(run=run)
        .order_by()
        .values("asset")
        .annotate(
            customers=Count("id"),
            more=Count("id", filter=Q(would_be__gt=F("charged"))),
            less=Count("id", filter=Q(would_be__lt=F("charged"))),
            **{f"sum_{name}": Sum(name) for name in _SUMMED},
        )
    )
    found: dict[Any, dict[str, Any]] = {row["asset"]: dict(row) for row in rows}
    return [
        AssetTotal(
            figures=Figures(
                asset=asset, **{name: found[asset.id][f"sum_{name}"] for name in _SUMMED}
            ),
            customers=found[asset.id]["customers"],
            more=found[asset.id]["more"],
            less=found[asset.id]["less"],
        )
        for asset in Asset.objects.filter(id__in=found).order_by("code")
    ]


def largest_differences(run: BacktestRun, *, limit: int) -> Sequence[BacktestResult]:
    """Return the results of those who would have paid most more or most less, by asset."""
    results: QuerySet[BacktestResult] = BacktestResult.objects.for_organization(
        run.organization_id
    ).filter(run=run)
    return list(
        results.alias(moved=Abs(F("would_be") - F("charged")))
        .select_related("customer", "asset")
        .order_by("asset__code", "-moved", "customer__external_id")[:limit]
    )


def percent_done(run: BacktestRun) -> int:
    """Return how much of a run is done, in whole percent; 100 only when it is."""
    if run.state == BacktestState.DONE:
        return _WHOLE
    done = run.events_done * _WHOLE // run.events_total if run.events_total else 0
    return min(done, _WHOLE - 1)
