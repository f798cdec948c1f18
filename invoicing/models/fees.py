"""What fees are reckoned from: changes of seats, and periods whose first fees were invoiced."""

from django.db import models
from django.db.models import Q

from accounts.models import TenantModel, guards
from metering.models import BillingPeriod
from pricing.models import Subscription
from pricing.models.plans import SEATS_MAX


class SeatChange(TenantModel):
    """From `effective_at` on a subscription has `seats`; before it had `seats_before`."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="+")
    seats_before = models.PositiveIntegerField()
    seats = models.PositiveIntegerField()
    effective_at = models.DateTimeField()

    class Meta:
        ordering = ["effective_at", "id"]
        indexes = [
            models.Index(
                fields=["organization", "subscription", "effective_at"],
                name="seat_change_by_subscription",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(seats__gte=1, seats__lte=SEATS_MAX), name="changed_seats_are_bounded"
            ),
        ]
        triggers = [*guards.append_only("seat change")]

    def __str__(self) -> str:
        return f"{self.seats_before} to {self.seats} seats"


class PeriodOpening(TenantModel):
    """What is due when a period begins was invoiced. Once."""

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="+")
    invoiced_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "period"], name="period_opened_once"),
        ]
        triggers = [*guards.append_only("period opening")]

    def __str__(self) -> str:
        return f"opening of {self.period}"


class PeriodDrafting(TenantModel):
    """When the drafts of a period that is closed were last built."""

    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="+")
    drafted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "period"], name="period_drafted_once"),
        ]

    def __str__(self) -> str:
        return f"drafts of {self.period}"
