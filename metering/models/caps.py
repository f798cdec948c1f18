"""Spend caps and what their windows hold."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import AmountField, Asset, Customer, Organization, TenantModel, guards
from metering.spend_caps import Window, cap_name
from pricing.models import Meter


class CapOwner(models.TextChoices):
    """Who set a cap and may lift it."""

    ORGANIZATION = "organization", "The organization"
    CUSTOMER = "customer", "The customer"


class SpendCap(TenantModel):
    """A limit on what a customer may use in a window; see `metering.spend_caps`."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="caps")
    name = models.CharField(max_length=200, blank=True)
    owner = models.CharField(max_length=16, choices=CapOwner, default=CapOwner.ORGANIZATION)
    window = models.CharField(
        max_length=16, choices=[(window, f"A {window}") for window in Window], default=Window.MONTH
    )
    limit = AmountField(db_column="most", help_text="In the asset, or in the meter's raw units.")
    asset = models.ForeignKey(
        Asset,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="What the limit is an amount of; empty to count units of a meter.",
    )
    meter = models.ForeignKey(
        Meter,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The only meter that counts; empty for all.",
    )
    property_name = models.CharField(
        max_length=100,
        blank=True,
        help_text="Counts each value of this property apart, for example team or session.",
    )
    property_value = models.CharField(
        max_length=200, blank=True, help_text="The only value that counts; empty for each."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at"]
        indexes = [
            models.Index(
                fields=["organization", "customer"],
                condition=Q(is_active=True),
                name="cap_in_force_by_customer",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="cap_of_tenant"),
            models.CheckConstraint(condition=Q(limit__gte=0), name="cap_limit_not_negative"),
            models.CheckConstraint(
                condition=Q(asset__isnull=False) | Q(meter__isnull=False),
                name="cap_counts_an_asset_or_a_meter",
                violation_error_message="Choose an asset, or a meter whose units are counted.",
            ),
            models.CheckConstraint(
                condition=Q(property_value="") | ~Q(property_name=""),
                name="cap_value_needs_a_property",
                violation_error_message="A value needs the property it is a value of.",
            ),
            models.CheckConstraint(
                condition=Q(owner__in=CapOwner) & Q(window__in=list(Window)),
                name="cap_owner_and_window_known",
            ),
            guards.not_nan("limit", name="cap_limit_is_a_number"),
        ]
        triggers = guards.never_deleted("spend cap")

    def __str__(self) -> str:
        return cap_name(self.name, limit=self.limit, window=self.window)


class CapCounter(models.Model):
    """What one value of a cap has used in one window. Written by set statements."""

    pk = models.CompositePrimaryKey("organization", "cap", "bucket", "window_starts_at")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    cap = models.ForeignKey(
        SpendCap, on_delete=models.PROTECT, related_name="counters", db_index=False
    )
    bucket = models.CharField(max_length=200, blank=True)
    window_starts_at = models.DateTimeField()
    used = AmountField(default=0)

    class Meta:
        constraints = [guards.not_nan("used", name="cap_counter_amounts_are_numbers")]
        triggers = guards.never_deleted("cap counter")

    def __str__(self) -> str:
        return f"{self.used:f} used"
