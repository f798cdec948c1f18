"""Holds: reservations of part of a balance for work that is about to happen."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import guards
from accounts.models.assets import AmountField
from accounts.models.credits import CreditAccount
from accounts.models.organizations import TenantModel


class OnExpiry(models.TextChoices):
    """What becomes of a hold that nobody claims in time."""

    RELEASE = "release", "Give it back"
    CAPTURE_REPORTED = "capture_reported", "Take what was reported"
    CAPTURE_FULL = "capture_full", "Take all of it"


class HoldState(models.TextChoices):
    """Open, or the one end it came to."""

    OPEN = "open", "Open"
    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Hold(TenantModel):
    """A reservation of part of an account's balance for work that is about to happen."""

    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="holds")
    reference = models.UUIDField()
    amount = AmountField()
    captured = AmountField(default=0)
    state = models.CharField(max_length=16, choices=HoldState, default=HoldState.OPEN)
    on_expiry = models.CharField(max_length=20, choices=OnExpiry, default=OnExpiry.RELEASE)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "account", "reference"], name="hold_once_per_reference"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="hold_above_zero"),
            models.CheckConstraint(
                condition=Q(captured__gte=0) & Q(captured__lte=F("amount")),
                name="captured_within_hold",
            ),
            models.CheckConstraint(
                condition=Q(state=HoldState.OPEN, ended_at=None)
                | (~Q(state=HoldState.OPEN) & Q(ended_at__isnull=False)),
                name="hold_ended_when_not_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=HoldState) & Q(on_expiry__in=OnExpiry),
                name="hold_state_known",
            ),
            guards.not_nan("amount", "captured", name="hold_amounts_are_numbers"),
        ]
        triggers = [
            *guards.never_deleted("hold"),
            pgtrigger.Protect(
                name="hold_ends_once",
                operation=pgtrigger.Update,
                condition=~pgtrigger.Q(old__state=HoldState.OPEN),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} {self.state}"
