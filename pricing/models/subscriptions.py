"""Subscriptions: which customer is on which version of which plan."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Customer, TenantModel
from pricing.models.plans import PlanVersion


class Subscription(TenantModel):
    """A customer's agreement to a plan version, from `starts_at` until `ended_at`."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="subscriptions")
    plan_version = models.ForeignKey(
        PlanVersion, on_delete=models.PROTECT, related_name="subscriptions"
    )
    starts_at = models.DateTimeField()
    anchor_date = models.DateField(help_text="Billing periods are counted from this day.")
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-starts_at"]
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
        ]
        triggers = [
            pgtrigger.Trigger(
                name="subscription_needs_a_published_version",
                operation=pgtrigger.Insert | pgtrigger.Update,
                when=pgtrigger.Before,
                func="""
                IF NOT EXISTS (
                    SELECT FROM pricing_planversion version
                    WHERE version.id = NEW.plan_version_id AND version.state = 'published'
                ) THEN
                    RAISE EXCEPTION 'a subscription needs a published plan version'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer} on {self.plan_version}"
