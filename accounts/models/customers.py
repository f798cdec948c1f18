"""Customers: whom an organization bills, and the people who may look at their page."""

import re
import zoneinfo

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from accounts.models.organizations import TenantModel, User


def validate_time_zone(value: str) -> None:
    """Raise ValidationError unless `value` names a zone of the IANA database."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError("must be an IANA time zone, for example Europe/Berlin")


_ADDRESSABLE = re.compile(r"(?!\.{1,2}\Z)[^/\x00-\x1f\x7f]+")


def validate_external_id(value: str) -> None:
    """Raise ValidationError unless `value` can stand alone in a URL's path.

    "." and ".." cannot, however they are escaped: clients resolve them before they send.
    """
    if not _ADDRESSABLE.fullmatch(value):
        raise ValidationError("must not be . or .. and must have no slash or control characters")


class Customer(TenantModel):
    """One who is billed, known to the integrator by `external_id`."""

    external_id = models.CharField("external ID", max_length=200)
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    metadata = models.JSONField(default=dict, blank=True)
    usage_stopped_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when nothing new may be used."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["external_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "external_id"],
                name="customer_external_id_once_per_organization",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="customer_of_tenant"),
            models.CheckConstraint(
                condition=~models.Q(external_id=""), name="customer_external_id_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id


class PortalMembership(TenantModel):
    """A person who may see one customer's balance and usage."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="people")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="portal_memberships")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "customer's person"
        verbose_name_plural = "customers' people"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "customer", "user"],
                name="portal_membership_once_per_customer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.customer}"
