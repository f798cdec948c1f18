"""What a plan version gives beside its prices: credits for each period, and entitlements."""

from typing import cast

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from accounts import money
from accounts.models import AmountField, Asset, TenantModel, guards
from pricing.entitlements import Kind, Rule
from pricing.models.meters import Meter, code_validator
from pricing.models.plans import PlanVersion

EXPIRES_AFTER_DAYS_MAX = 36_600


class Cadence(models.TextChoices):
    """How often included credit comes."""

    PERIOD = "period", "Each billing period"
    DAY = "day", "Each day"
    WEEK = "week", "Each week"
    MONTH = "month", "Each month"


class Expiry(models.TextChoices):
    """How long included credit lasts."""

    PERIOD_END = "period_end", "Until the period it came in ends"
    NEVER = "never", "For ever"
    AFTER_DAYS = "after_days", "For a number of days"


class Rollover(models.TextChoices):
    """What becomes of included credit that its period did not use up."""

    NONE = "none", "It is lost"
    LIMITED = "limited", "It rolls over, up to a limit"
    UNLIMITED = "unlimited", "All of it rolls over"


class IncludedCredit(TenantModel):
    """Credit that comes with the plan, again and again."""

    plan_version = models.ForeignKey(
        PlanVersion, on_delete=models.CASCADE, related_name="included_credits"
    )
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    amount = AmountField()
    every = models.CharField(max_length=16, choices=Cadence, default=Cadence.PERIOD)
    per_seat = models.BooleanField(default=False, help_text="The amount comes for each seat.")
    expires = models.CharField(max_length=16, choices=Expiry, default=Expiry.PERIOD_END)
    expires_after_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(EXPIRES_AFTER_DAYS_MAX)]
    )
    rollover = models.CharField(max_length=16, choices=Rollover, default=Rollover.NONE)
    rollover_limit = AmountField(
        default=0, help_text="The most that is carried from one period to the next."
    )
    limit_per_month = AmountField(
        default=0, help_text="The most that comes in a calendar month; 0 for no limit."
    )
    priority = models.PositiveSmallIntegerField(
        default=50, validators=[MaxValueValidator(100)], help_text="Lower is used first."
    )
    meters = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="Codes of the only meters it pays for; empty for all.",
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Its place in the list.")

    class Meta:
        verbose_name = "included credit"
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "id"], name="included_credit_of_tenant"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="included_credit_above_zero"),
            models.CheckConstraint(
                condition=Q(every__in=Cadence), name="included_credit_cadence_known"
            ),
            models.CheckConstraint(
                condition=Q(expires__in=[Expiry.PERIOD_END, Expiry.NEVER], expires_after_days=None)
                | Q(
                    expires=Expiry.AFTER_DAYS,
                    expires_after_days__isnull=False,
                    expires_after_days__gte=1,
                    expires_after_days__lte=EXPIRES_AFTER_DAYS_MAX,
                ),
                name="included_credit_expiry_is_complete",
                violation_error_message="Say after how many days it expires, or leave them empty.",
            ),
            models.CheckConstraint(
                condition=Q(rollover__in=[Rollover.NONE, Rollover.UNLIMITED], rollover_limit=0)
                | Q(rollover=Rollover.LIMITED, rollover_limit__gt=0),
                name="included_credit_rollover_is_complete",
                violation_error_message="A limit above zero goes with a limited rollover only.",
            ),
            models.CheckConstraint(
                condition=Q(limit_per_month__gte=0),
                name="included_credit_month_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(priority__lte=100), name="included_credit_priority_to_100"
            ),
            guards.not_nan(
                "amount",
                "rollover_limit",
                "limit_per_month",
                name="included_credit_amounts_are_numbers",
            ),
        ]
        triggers = [
            *guards.frozen_unless_draft(
                "published_credit",
                table="pricing_planversion",
                parent="plan_version",
                message="included credits of a published plan version never change",
            ),
            guards.never_truncated("included credit"),
        ]

    def __str__(self) -> str:
        amount = money.to_display(self.amount, scale=self.asset.scale)
        return f"{amount} {self.asset} {self.get_every_display().lower()}"


class EntitlementKind(models.TextChoices):
    """In which way a feature is granted."""

    BOOLEAN = "boolean", "Yes or no"
    STATIC = "static", "A value the product reads"
    VALUES = "values", "Only some values of a property"
    METERED = "metered", "Up to a limit of a meter in each period"


# What a field holds when it says nothing, and what it must hold when its kind needs it.
_EMPTY = {
    "enabled": Q(enabled=True),
    "value": Q(value=""),
    "property_name": Q(property_name=""),
    "allowed_values": Q(allowed_values=[]),
    "meter": Q(meter=None),
    "limit_per_period": Q(limit_per_period=0),
}
_SAID = {
    "enabled": Q(enabled__isnull=False),
    "value": Q(value__isnull=False),
    "property_name": ~Q(property_name=""),
    "allowed_values": ~Q(allowed_values=[]),
    "meter": Q(meter__isnull=False),
    "limit_per_period": Q(limit_per_period__gte=0),
}


def _only(kind: EntitlementKind, *said: str) -> Q:
    """Return the condition that a row of this kind says these fields, and no others."""
    condition = Q(kind=kind)
    for name, empty in _EMPTY.items():
        condition &= _SAID[name] if name in said else empty
    return condition


class Entitlement(TenantModel):
    """What customers of a plan version may do: one feature, in one of four ways.

    Only `values` and `metered` refuse events; `boolean` and `static` are for the product to ask.
    """

    plan_version = models.ForeignKey(
        PlanVersion, on_delete=models.CASCADE, related_name="entitlements"
    )
    feature = models.CharField(max_length=100, validators=[code_validator])
    kind = models.CharField(max_length=16, choices=EntitlementKind, default=EntitlementKind.BOOLEAN)
    enabled = models.BooleanField(default=True, help_text="Of a yes-or-no feature.")
    value = models.CharField(max_length=500, blank=True, help_text="Of a static feature.")
    property_name = models.CharField(
        max_length=100, blank=True, help_text="The property whose values are limited."
    )
    allowed_values = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="The only values that may be used.",
    )
    meter = models.ForeignKey(
        Meter, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    limit_per_period = AmountField(
        default=0, help_text="The most of the meter in a billing period."
    )

    class Meta:
        ordering = ["feature"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "plan_version", "feature"],
                name="entitlement_once_per_feature",
                violation_error_message="This version already says something of that feature.",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="entitlement_of_tenant"),
            models.CheckConstraint(
                condition=_only(EntitlementKind.BOOLEAN, "enabled")
                | _only(EntitlementKind.STATIC, "value")
                | _only(EntitlementKind.VALUES, "property_name", "allowed_values")
                | _only(EntitlementKind.METERED, "meter", "limit_per_period"),
                name="entitlement_says_what_its_kind_needs",
                violation_error_message="A feature has the fields of its kind and no others.",
            ),
            guards.not_nan("limit_per_period", name="entitlement_limit_is_a_number"),
        ]
        triggers = [
            *guards.frozen_unless_draft(
                "published_entitlement",
                table="pricing_planversion",
                parent="plan_version",
                message="entitlements of a published plan version never change",
            ),
            guards.never_truncated("entitlement"),
        ]

    def __str__(self) -> str:
        return self.feature

    @property
    def rule(self) -> Rule:
        """The entitlement as a value, for `pricing.entitlements` to judge events by."""
        return Rule(
            feature=self.feature,
            kind=cast("Kind", self.kind),
            property_name=self.property_name,
            allowed_values=frozenset(self.allowed_values),
            meter=self.meter.code if self.meter else "",
            limit=self.limit_per_period,
        )
