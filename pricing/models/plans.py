"""Plans: what is sold at which price. A published version never changes again."""

from decimal import Decimal

import pgtrigger
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import AmountField, Asset, Customer, TenantModel, User, guards
from accounts.periods import Interval
from pricing.models.meters import Meter, code_validator

TRIAL_DAYS_MAX = 3660
SEATS_MAX = 1_000_000


class Plan(TenantModel):
    """A named offer; its prices live in its versions."""

    code = models.CharField(max_length=100, validators=[code_validator])
    name = models.CharField(max_length=200)
    is_default = models.BooleanField(
        "for new customers",
        default=False,
        help_text="New customers are put on this plan. At most one plan is.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "code"],
                name="plan_code_once_per_organization",
                violation_error_message="Another plan has this code.",
            ),
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(is_default=True),
                name="one_default_plan_per_organization",
                violation_error_message="Another plan is the one for new customers.",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="plan_of_tenant"),
        ]

    def __str__(self) -> str:
        return self.name


class VersionState(models.TextChoices):
    """Being written, or in force for ever."""

    DRAFT = "draft", "Draft"
    PUBLISHED = "published", "Published"


class ShortfallPolicy(models.TextChoices):
    """What happens when an event costs more than the customer has."""

    BLOCK = "block", "Refuse the event"
    OVERAGE = "overage", "Record it and invoice the rest"
    OVERDRAFT = "overdraft", "Let the balance go below zero, down to a limit"


class FeeTiming(models.TextChoices):
    """When a fee of a period is due."""

    ADVANCE = "advance", "When the period begins"
    ARREARS = "arrears", "When the period ends"


class PlanVersion(TenantModel):
    """One edition of a plan: its terms here, its prices, credits and entitlements below it.

    A fee is charged in its asset; without an asset there is none. A version with a `customer` is
    private: it holds that customer's overrides, and is offered to nobody else.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(default=1, editable=False)
    state = models.CharField(
        max_length=16, choices=VersionState, default=VersionState.DRAFT, editable=False
    )
    billing_interval = models.CharField(
        max_length=16,
        choices=[(interval, interval.title()) for interval in Interval],
        default=Interval.MONTH,
    )
    shortfall_policy = models.CharField(
        "when credit runs out",
        max_length=16,
        choices=ShortfallPolicy,
        default=ShortfallPolicy.BLOCK,
    )
    overdraft_limit = AmountField(
        default=0, help_text="How far below zero a balance may go; only with overdraft."
    )
    trial_days = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(TRIAL_DAYS_MAX)],
        help_text="Days after sign-up without a base fee.",
    )
    base_fee_amount = AmountField("base fee", default=0, help_text="Of each billing period.")
    base_fee_asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    base_fee_timing = models.CharField(
        "base fee is due", max_length=16, choices=FeeTiming, default=FeeTiming.ADVANCE
    )
    seat_fee_amount = AmountField(
        "fee per seat", default=0, help_text="Of each billing period, for each seat not included."
    )
    seat_fee_asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    included_seats = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(SEATS_MAX)],
        help_text="Seats that cost nothing beyond the base fee.",
    )
    seat_fee_timing = models.CharField(
        "fee per seat is due", max_length=16, choices=FeeTiming, default=FeeTiming.ADVANCE
    )
    effective_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Nobody is on it before; empty for when it is published.",
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="private_versions",
        help_text="The only customer it is for; empty for a version on sale.",
    )
    based_on = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="private_versions",
        help_text="The public version a private one differs from.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    published_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    class Meta:
        ordering = ["plan", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "plan", "number"], name="version_number_once_per_plan"
            ),
            models.UniqueConstraint(
                fields=["organization", "plan"],
                condition=Q(state=VersionState.DRAFT, customer=None),
                name="one_draft_per_plan",
                violation_error_message="This plan already has a draft; edit that one.",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="version_of_tenant"),
            models.CheckConstraint(
                condition=Q(state=VersionState.DRAFT, published_at=None)
                | Q(state=VersionState.PUBLISHED, published_at__isnull=False),
                name="version_published_when_dated",
            ),
            models.CheckConstraint(
                condition=Q(overdraft_limit=0)
                | Q(overdraft_limit__gt=0, shortfall_policy=ShortfallPolicy.OVERDRAFT),
                name="overdraft_limit_goes_with_overdraft",
                violation_error_message="A limit below zero needs the overdraft policy.",
            ),
            models.CheckConstraint(
                condition=Q(trial_days__lte=TRIAL_DAYS_MAX) & Q(included_seats__lte=SEATS_MAX),
                name="version_counts_are_bounded",
            ),
            models.CheckConstraint(
                condition=Q(base_fee_amount=0)
                | Q(base_fee_amount__gt=0, base_fee_asset__isnull=False),
                name="base_fee_names_its_asset",
                violation_error_message="A base fee is zero or more, in an asset.",
            ),
            models.CheckConstraint(
                condition=Q(seat_fee_amount=0)
                | Q(seat_fee_amount__gt=0, seat_fee_asset__isnull=False),
                name="seat_fee_names_its_asset",
                violation_error_message="A fee per seat is zero or more, in an asset.",
            ),
            models.CheckConstraint(
                condition=Q(base_fee_timing__in=FeeTiming) & Q(seat_fee_timing__in=FeeTiming),
                name="fee_timing_known",
            ),
            models.CheckConstraint(
                condition=Q(customer=None, based_on=None)
                | Q(customer__isnull=False, based_on__isnull=False),
                name="private_version_is_based_on_another",
            ),
            guards.not_nan(
                "overdraft_limit",
                "base_fee_amount",
                "seat_fee_amount",
                name="version_amounts_are_numbers",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="published_version_is_frozen",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__state=VersionState.PUBLISHED),
            ),
            guards.never_truncated("plan version"),
        ]

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"

    @property
    def is_draft(self) -> bool:
        """Whether it may still be edited."""
        return self.state == VersionState.DRAFT

    @property
    def is_private(self) -> bool:
        """Whether it is for one customer only."""
        return self.customer_id is not None

    @property
    def public(self) -> "PlanVersion":
        """The version on sale that it is, or is based on."""
        return self.based_on or self

    @property
    def floor(self) -> Decimal:
        """How low a balance may go on it: zero or less."""
        overdraft = self.shortfall_policy == ShortfallPolicy.OVERDRAFT
        return -self.overdraft_limit if overdraft else Decimal(0)


class Settle(models.TextChoices):
    """When a price is charged."""

    ON_EVENT = "on_event", "On each event"
    AT_CLOSE = "at_close", "When the period closes"


class Price(TenantModel):
    """What a plan version charges for a meter.

    `definition` holds the charge model in the one JSON form that the API, the editor and the
    templates share; `pricing.price_form` reads and checks it.
    """

    plan_version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="prices")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="+")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    settle = models.CharField(max_length=16, choices=Settle, default=Settle.ON_EVENT)
    definition = models.JSONField(default=dict)

    class Meta:
        ordering = ["meter__code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "plan_version", "meter", "asset"],
                name="one_price_per_meter_and_asset",
                violation_error_message="This version already prices that meter in that asset.",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="price_of_tenant"),
        ]
        triggers = [
            *guards.frozen_unless_draft(
                "published_price",
                table="pricing_planversion",
                parent="plan_version",
                message="prices of a published plan version never change",
            ),
            guards.never_truncated("price"),
        ]

    def __str__(self) -> str:
        return f"{self.meter} in {self.asset}"
