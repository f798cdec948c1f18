"""How an organization invoices: its terms, its tax rates, and what is known of a customer's tax."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from accounts.models import AmountField, Customer, TenantModel, guards
from invoicing import vat_ids
from invoicing.reckoning import CreditsTiming
from pricing.models.meters import code_validator

GRACE_SECONDS_MAX = 30 * 86_400
CREDITS_TIMINGS = [
    (CreditsTiming.BEFORE_TAX, "Before tax"),
    (CreditsTiming.AFTER_TAX, "After tax"),
]
country_validator = RegexValidator(r"\A[A-Z]{2}\Z", "use the two letters of ISO 3166, such as DE")


def validate_vat_id(value: str) -> None:
    """Raise ValidationError unless `value` is a VAT id as `vat_ids.read` writes it."""
    try:
        vat_ids.read(value)
    except vat_ids.VatIdInvalid as error:
        raise ValidationError(str(error)) from error


class InvoicingTerms(TenantModel):
    """How an organization invoices. Without a row: at once, and credit counts before tax."""

    credits_timing = models.CharField(
        "credit counts",
        max_length=16,
        choices=CREDITS_TIMINGS,
        default=CreditsTiming.BEFORE_TAX,
        help_text="Whether usage that credit has paid is taxed on the invoice.",
    )
    grace_seconds = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(GRACE_SECONDS_MAX)],
        help_text="How long after a period's end its invoice stays a draft, for corrections.",
    )

    class Meta:
        verbose_name_plural = "invoicing terms"
        constraints = [
            models.UniqueConstraint(fields=["organization"], name="one_set_of_invoicing_terms"),
            models.CheckConstraint(
                condition=Q(grace_seconds__lte=GRACE_SECONDS_MAX), name="grace_is_bounded"
            ),
            models.CheckConstraint(
                condition=Q(credits_timing__in=CreditsTiming), name="credits_timing_known"
            ),
        ]

    def __str__(self) -> str:
        return "Invoicing terms"


class TaxRate(TenantModel):
    """A tax: so many percent, for customers of one country, or of any other for which none is."""

    code = models.CharField(max_length=100, validators=[code_validator])
    name = models.CharField(max_length=100, help_text="As it stands on the invoice.")
    percent = AmountField()
    is_inclusive = models.BooleanField(
        "in the prices", default=False, help_text="Prices include it; otherwise it comes on top."
    )
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[country_validator],
        help_text="Whose customers it is for; empty for those for whom there is no other.",
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "code"],
                name="tax_code_once_per_organization",
                violation_error_message="Another tax rate has this code.",
            ),
            models.CheckConstraint(
                condition=Q(percent__gte=0, percent__lte=100),
                name="tax_is_up_to_100_percent",
                violation_error_message="A tax is from 0 to 100 percent.",
            ),
            guards.not_nan("percent", name="tax_percent_is_a_number"),
        ]

    def __str__(self) -> str:
        return self.name


class TaxProfile(TenantModel):
    """What is known of a customer for tax: where it sits, its VAT id, and what was agreed."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    country = models.CharField(max_length=2, blank=True, validators=[country_validator])
    vat_id = models.CharField(
        "VAT id", max_length=vat_ids.LENGTH_MAX, blank=True, validators=[validate_vat_id]
    )
    is_exempt = models.BooleanField(
        default=False, help_text="No tax at all: exempt, or the customer accounts for it."
    )
    rate_codes = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="Codes of the rates that count whatever the country; empty for its own.",
    )

    class Meta:
        verbose_name = "tax profile"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "customer"],
                name="one_tax_profile_per_customer",
                violation_error_message="The customer has a tax profile.",
            ),
        ]

    def __str__(self) -> str:
        return f"Tax of {self.customer}"
