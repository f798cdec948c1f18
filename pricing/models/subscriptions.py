"""Subscriptions: which customer is on which version of which plan."""

import pgtrigger
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Customer, TenantModel, guards
from pricing.models.plans import SEATS_MAX, PlanVersion


def _needs_published_version(name: str) -> pgtrigger.Trigger:
    """Refuse rows that put a customer on a draft, or on the private version of another one."""
    return pgtrigger.Trigger(
        name=name,
        operation=pgtrigger.Insert | pgtrigger.Update,
        when=pgtrigger.Before,
        func="""
        IF NOT EXISTS (
            SELECT FROM pricing_planversion version
            WHERE version.id = NEW.plan_version_id AND version.state = 'published'
              AND (version.customer_id IS NULL OR version.customer_id = NEW.customer_id)
        ) THEN
            RAISE EXCEPTION 'a subscription needs a published plan version'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
        """,
    )


class Subscription(TenantModel):
    """A customer's agreement to a plan version, from `starts_at` until `ended_at`."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    plan_version = models.ForeignKey(
        PlanVersion, on_delete=models.PROTECT, related_name="subscriptions"
    )
    starts_at = models.DateTimeField()
    anchor_date = models.DateField(help_text="Billing periods are counted from this day.")
    seats = models.PositiveIntegerField(default=1, validators=[MaxValueValidator(SEATS_MAX)])
    trial_ends_at = models.DateTimeField(
        null=True, blank=True, help_text="No base fee is charged for the days before."
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    included_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Included credits that come before are granted; empty when none come.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-starts_at"]
        indexes = [
            models.Index(
                fields=["included_until"],
                condition=Q(included_until__isnull=False),
                name="included_credit_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "customer"],
                condition=Q(ended_at=None),
                name="one_live_subscription_per_customer",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="subscription_of_tenant"),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("starts_at")),
                name="subscription_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(seats__lte=SEATS_MAX), name="subscription_seats_are_bounded"
            ),
        ]
        triggers = [
            _needs_published_version("subscription_needs_a_published_version"),
        ]

    def __str__(self) -> str:
        return f"{self.customer} on {self.plan_version}"


class ScheduledChange(TenantModel):
    """A plan version that a subscription gets with its first period from `effective_at` on.

    Of several that are due at once the one of the latest `effective_at` counts. `applied_at` is
    when that period began, and then the row stays as it is.
    """

    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="scheduled_changes"
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="+")
    effective_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["effective_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "subscription", "effective_at"],
                condition=Q(applied_at=None),
                name="one_pending_change_per_moment",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="change_of_tenant"),
            models.CheckConstraint(
                condition=Q(applied_at=None) | Q(applied_at__gte=F("effective_at")),
                name="change_applied_when_due",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="applied_change_is_frozen",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__applied_at__isnull=False),
            ),
            _needs_published_version("change_needs_a_published_version"),
            guards.never_truncated("scheduled change"),
        ]

    def __str__(self) -> str:
        return f"{self.plan_version} from {self.effective_at:%Y-%m-%d}"
