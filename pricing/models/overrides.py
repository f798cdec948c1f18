"""Overrides: single prices agreed with one customer."""

from django.db import models
from django.utils import timezone

from accounts.models import Asset, Customer, TenantModel
from pricing.models.meters import Meter
from pricing.models.plans import Plan, Settle


class PriceOverride(TenantModel):
    """What one customer pays for a meter on a plan, instead of what the plan says.

    It states what was agreed. What is charged are the prices of the private plan version that
    `pricing.overrides` makes of it, anew for each version of the plan.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="price_overrides")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="price_overrides")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    settle = models.CharField(max_length=16, choices=Settle, default=Settle.ON_EVENT)
    definition = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["meter__code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "customer", "plan", "meter", "asset"],
                name="one_override_per_meter_and_asset",
                violation_error_message="This customer has an override of that price.",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="override_of_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.meter} in {self.asset} for {self.customer}"
