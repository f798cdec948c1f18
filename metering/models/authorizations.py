"""Authorizations: work that was allowed to go ahead, and what is reserved of spend caps for it.

What an authorization reserves of balances are holds whose reference is its id; see
`accounts.models.Hold`.
"""

import datetime as dt

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import (
    AmountField,
    Customer,
    OnExpiry,
    Organization,
    TenantModel,
    guards,
)
from metering.models.caps import SpendCap


class Ending(models.TextChoices):
    """How an authorization was ended by somebody; one that time ends has none of these."""

    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"


class Authorization(TenantModel):
    """The permission for work that is about to happen, and what it was expected to cost."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    quote = models.JSONField(help_text="What the work was expected to cost, by asset code.")
    items = models.JSONField(help_text="The events it was asked for, each with its prices.")
    on_expiry = models.CharField(max_length=20, choices=OnExpiry, default=OnExpiry.RELEASE)
    expires_at = models.DateTimeField()
    ended_as = models.CharField(max_length=16, choices=Ending, blank=True)
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["organization", "created_at"], name="authorization_by_age"),
            models.Index(
                fields=["organization", "customer", "created_at"],
                name="authorization_by_customer",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="authorization_of_tenant"),
            models.CheckConstraint(
                condition=Q(ended_as="", ended_at=None)
                | Q(ended_as__in=Ending, ended_at__isnull=False),
                name="authorization_ends_in_some_way",
            ),
            models.CheckConstraint(
                condition=Q(on_expiry__in=OnExpiry), name="authorization_expiry_known"
            ),
        ]
        triggers = [
            *guards.never_deleted("authorization"),
            pgtrigger.Protect(
                name="authorization_ends_once",
                operation=pgtrigger.Update,
                condition=~pgtrigger.Q(old__ended_as=""),
            ),
            pgtrigger.ReadOnly(
                name="authorization_terms_are_fixed",
                fields=["organization", "customer", "on_expiry", "created_at"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d %H:%M:%S}"

    def state_at(self, at: dt.datetime) -> str:
        """Return open, captured, released or expired; a hold is open for exactly as long."""
        return self.ended_as or ("open" if at < self.expires_at else "expired")

    def end_by(self, at: dt.datetime) -> dt.datetime | None:
        """Return when it ended, or None while it is open."""
        return self.ended_at or (None if at < self.expires_at else self.expires_at)


class CapReservation(models.Model):
    """What an authorization reserves of one value of a cap, in the window it was made in.

    It counts until `ends_at`, when the authorization expires; without one it goes on counting,
    because what is reserved will then be taken. It is deleted when the authorization ends.
    """

    pk = models.CompositePrimaryKey(
        "organization", "authorization", "cap", "bucket", "window_starts_at"
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    authorization = models.ForeignKey(
        Authorization, on_delete=models.PROTECT, related_name="cap_reservations", db_index=False
    )
    cap = models.ForeignKey(SpendCap, on_delete=models.PROTECT, related_name="+", db_index=False)
    bucket = models.CharField(max_length=200, blank=True)
    window_starts_at = models.DateTimeField()
    amount = AmountField()
    ends_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["organization", "cap", "window_starts_at", "ends_at"],
                name="cap_reservation_by_window",
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="cap_reservation_not_negative"),
            guards.not_nan("amount", name="cap_reservation_is_a_number"),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} reserved"
