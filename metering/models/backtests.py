"""Backtests: the usage of the past priced again, and what would have been charged for it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import AmountField, Asset, Customer, TenantModel, User, guards
from pricing.models import PlanVersion


class BacktestState(models.TextChoices):
    """How far a backtest has come."""

    QUEUED = "queued", "Waiting for a worker"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


UNFINISHED = [BacktestState.QUEUED, BacktestState.RUNNING]


class BacktestRun(TenantModel):
    """Events charged in [range_starts_at, range_ends_at), replayed at the prices of a plan version.

    The row is the work to do and how far it has come: whoever finds it unfinished goes on from
    `place`. `fingerprint` tells whether the prices of a draft are still those that were asked for.
    """

    plan_version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="+")
    range_starts_at = models.DateTimeField("from")
    range_ends_at = models.DateTimeField("to")
    customer_ids = ArrayField(
        models.UUIDField(), default=list, blank=True, help_text="The only customers; empty for all."
    )
    everyone = models.BooleanField(
        default=False, help_text="Also customers who were on other plans at the time."
    )
    fingerprint = models.CharField(max_length=64, editable=False)
    state = models.CharField(
        max_length=16, choices=BacktestState, default=BacktestState.QUEUED, editable=False
    )
    place = models.JSONField(default=dict, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    events_total = models.BigIntegerField(null=True, editable=False)
    events_done = models.BigIntegerField(default=0, editable=False)
    events_unpriced = models.BigIntegerField(default=0, editable=False)
    refusals = models.JSONField(
        default=list, editable=False, help_text="Why events could not be priced, and how many."
    )
    error = models.CharField(max_length=500, blank=True, editable=False)
    requested_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "backtest"
        ordering = ["-requested_at"]
        indexes = [
            models.Index(
                fields=["requested_at"],
                condition=Q(state__in=UNFINISHED),
                name="backtest_unfinished",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="backtest_of_tenant"),
            models.CheckConstraint(
                condition=Q(range_ends_at__gt=F("range_starts_at")),
                name="backtest_range_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(state__in=UNFINISHED, finished_at=None)
                | Q(
                    state__in=[BacktestState.DONE, BacktestState.FAILED],
                    finished_at__isnull=False,
                ),
                name="backtest_finished_when_dated",
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.plan_version}, {self.range_starts_at:%Y-%m-%d} to {self.range_ends_at:%Y-%m-%d}"
        )

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state not in UNFINISHED


class BacktestResult(TenantModel):
    """What one customer was charged in one asset, and what it would have been."""

    run = models.ForeignKey(BacktestRun, on_delete=models.CASCADE, related_name="results")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="+")
    charged = AmountField(default=0, help_text="What events and the ends of periods were charged.")
    would_be = AmountField(default=0, help_text="What they would have been charged.")
    events = models.BigIntegerField(default=0, help_text="Events priced in this asset.")
    unpriced = models.BigIntegerField(default=0, help_text="Those without a price in the version.")
    cost = AmountField(  # type: ignore[misc]  # Null while nothing is known of it.
        null=True, blank=True, help_text="What vendors took for the events, as far as it is known."
    )
    uncosted = models.BigIntegerField(default=0, help_text="Events whose cost is not known.")
    charged_uncosted = AmountField(default=0, help_text="What those were charged.")
    would_be_uncosted = AmountField(default=0, help_text="What those would have been charged.")
    replayed_at = models.DateTimeField()

    class Meta:
        ordering = ["customer", "asset"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "run", "customer", "asset"],
                name="one_backtest_result_per_customer_and_asset",
            ),
            guards.not_nan(
                "charged",
                "would_be",
                "cost",
                "charged_uncosted",
                "would_be_uncosted",
                name="backtest_amounts_are_numbers",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.would_be:f} instead of {self.charged:f}"
