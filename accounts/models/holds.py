"""Holds: reservations of part of a balance for work that is about to happen.

Only `accounts.ledger` writes these tables. A draw refers to its hold and its grant without foreign
keys: a statement-level trigger checks all rows of a statement at once, see decision 0003.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import guards
from accounts.models.assets import AmountField
from accounts.models.credits import CreditAccount, CreditGrant
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
    amount = AmountField(help_text="All that was ever reserved for it.")
    captured = AmountField(default=0, help_text="What usage took out of it.")
    reported = AmountField(default=0, help_text="How far the work says it has come.")
    state = models.CharField(max_length=16, choices=HoldState, default=HoldState.OPEN)
    on_expiry = models.CharField(max_length=20, choices=OnExpiry, default=OnExpiry.RELEASE)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["account", "expires_at"],
                condition=Q(state=HoldState.OPEN),
                name="hold_expiry_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "account", "reference"], name="hold_once_per_reference"
            ),
            models.CheckConstraint(
                condition=Q(captured__gte=0) & Q(captured__lte=F("amount")),
                name="captured_within_hold",
            ),
            models.CheckConstraint(
                condition=Q(reported__gte=0) & Q(reported__lte=F("amount")),
                name="reported_within_hold",
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
            guards.not_nan("amount", "captured", "reported", name="hold_amounts_are_numbers"),
        ]
        triggers = [
            *guards.never_deleted("hold"),
            pgtrigger.Protect(
                name="hold_ends_once",
                operation=pgtrigger.Update,
                condition=~pgtrigger.Q(old__state=HoldState.OPEN),
            ),
            pgtrigger.ReadOnly(
                name="hold_terms_are_fixed",
                fields=["organization", "account", "reference", "on_expiry", "created_at"],
            ),
            # Draws are written first, so a hold that is changed must agree with them.
            pgtrigger.Trigger(
                name="hold_is_what_it_draws",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                referencing=pgtrigger.Referencing(new="changed"),
                func="""
                IF EXISTS (
                    SELECT FROM changed
                    LEFT JOIN LATERAL (
                        SELECT sum(draw.amount) AS reserved, sum(draw.captured) AS captured
                        FROM accounts_holddraw draw
                        WHERE draw.organization_id = changed.organization_id
                            AND draw.hold_id = changed.id
                    ) drawn ON true
                    WHERE coalesce(drawn.captured, 0) <> changed.captured
                        OR coalesce(drawn.reserved, 0) <> CASE changed.state
                            WHEN 'open' THEN changed.amount - changed.captured ELSE 0 END
                ) THEN
                    RAISE EXCEPTION
                        'a hold has captured and reserves what its draws say, until it ends'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} {self.state}"


def _draws_fit(name: str, operation: pgtrigger.Operation) -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=pgtrigger.Referencing(new="changed"),
        func="""
        IF EXISTS (
            SELECT FROM changed
            LEFT JOIN accounts_hold hold
                ON hold.organization_id = changed.organization_id AND hold.id = changed.hold_id
            LEFT JOIN accounts_creditgrant credit
                ON credit.organization_id = changed.organization_id
                AND credit.id = changed.grant_id
            WHERE hold.state IS DISTINCT FROM 'open'
                OR (changed.grant_id IS NOT NULL
                    AND credit.account_id IS DISTINCT FROM hold.account_id)
        ) THEN
            RAISE EXCEPTION
                'a draw is of an open hold of its tenant, and of a grant of the same account'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NULL;
        """,
    )


class HoldDraw(TenantModel):
    """What a hold reserves on one grant for one meter; without a grant, on the credit line."""

    hold = models.ForeignKey(
        Hold, on_delete=models.PROTECT, related_name="draws", db_constraint=False, db_index=False
    )
    grant = models.ForeignKey(
        CreditGrant,
        on_delete=models.PROTECT,
        null=True,
        related_name="hold_draws",
        db_constraint=False,
        db_index=False,
    )
    meter = models.CharField(max_length=100, blank=True)
    amount = AmountField(help_text="What is still reserved here.")
    captured = AmountField(default=0, help_text="What usage took from here.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "hold", "grant", "meter"],
                nulls_distinct=False,
                name="one_draw_per_hold_grant_and_meter",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0) & Q(captured__gte=0), name="draw_not_negative"
            ),
            guards.not_nan("amount", "captured", name="draw_amounts_are_numbers"),
        ]
        triggers = [
            *guards.never_deleted("draw"),
            pgtrigger.ReadOnly(
                name="draw_keeps_its_place", fields=["organization", "hold", "grant", "meter"]
            ),
            _draws_fit("draw_fits_when_made", pgtrigger.Insert),
            _draws_fit("draw_fits_when_changed", pgtrigger.Update),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} for {self.meter}"
