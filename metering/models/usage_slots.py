"""Usage slots: what a customer's events were charged, by the half hour in which they occurred.

They say nothing that the rated events do not say; they let a chart of a month be read without its
events. `metering.usage_folding` adds events to them, in the background and each once.
"""

from django.db import models

from accounts.models import AmountField, Asset, Customer, Organization, TenantModel, guards


class UsageFold(TenantModel):
    """How far an organization's events are in its usage slots: all up to `position`, and no other.

    An organization without such a row has no slots.
    """

    position = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization"], name="one_usage_fold_each"),
        ]

    def __str__(self) -> str:
        return f"up to {self.position}"


class UsageSlot(models.Model):
    """Charges of one customer in one asset, of events that occurred within half an hour.

    Events that were voided are in it as well: whoever reads slots takes them off.
    """

    pk = models.CompositePrimaryKey("organization", "customer", "starts_at", "asset")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # The references to rows of the same tenant, which say more, are made by the migration.
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    starts_at = models.DateTimeField()
    asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    amount = AmountField()
    charges = models.BigIntegerField(help_text="How many rated events that is.")

    class Meta:
        constraints = [guards.not_nan("amount", name="slot_amount_is_a_number")]

    def __str__(self) -> str:
        return f"{self.amount:f} from {self.starts_at:%Y-%m-%d %H:%M}"
