"""Meters: the units of sale. A meter says which events count and how much of each."""

import pgtrigger
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import TenantModel
from pricing import expressions, filters

code_validator = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]{0,99}\Z",
    "use small letters, digits, dots, dashes and underscores, for example output_tokens",
)


class Aggregation(models.TextChoices):
    """How a meter adds events up."""

    COUNT = "count", "Number of events"
    SUM = "sum", "Sum"
    MAX = "max", "Largest value"
    MIN = "min", "Smallest value"
    AVERAGE = "average", "Average"
    LATEST = "latest", "Latest value"
    UNIQUE_COUNT = "unique_count", "Number of different values"
    WEIGHTED_SUM = "weighted_sum", "Sum weighted by time"


class WeightedBy(models.TextChoices):
    """What a sum weighted by time is measured in."""

    PERIOD = "period", "The billing period: the average level, such as GB-months"
    HOUR = "hour", "The hour: levels times hours, such as GB-hours"


class Meter(TenantModel):
    """What is counted: events of one type that pass the filter, by number or by a value.

    The value is a property or an expression over properties, never both.
    """

    code = models.CharField(max_length=100, validators=[code_validator])
    name = models.CharField(max_length=200)
    unit = models.CharField(
        max_length=50, blank=True, help_text="What one unit is called, for example token."
    )
    event_type = models.CharField(max_length=200)
    filters = models.JSONField(
        default=dict,
        blank=True,
        help_text="Only events whose properties fulfil these conditions count.",
    )
    aggregation = models.CharField(
        max_length=16,
        choices=Aggregation,
        default=Aggregation.SUM,
        help_text="How the events of a billing period become one quantity. Numbers, sums and "
        "largest values can be charged event by event, the others when the period ends.",
    )
    quantity_property = models.CharField(
        "property",
        max_length=100,
        blank=True,
        help_text="The property to measure, for example output_tokens. A dot leads into an object, "
        "as in usage.output_tokens. Empty for a number of events.",
    )
    expression = models.TextField(
        max_length=expressions.LENGTH_MAX,
        blank=True,
        help_text="Instead of a property: a value computed from several, for example "
        "input_tokens + output_tokens * 3.",
    )
    weighted_by = models.CharField(
        max_length=8,
        choices=WeightedBy,
        default=WeightedBy.PERIOD,
        help_text="For a sum weighted by time only.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "code"],
                name="meter_code_once_per_organization",
                violation_error_message="Another meter has this code.",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="meter_of_tenant"),
            models.CheckConstraint(
                condition=Q(aggregation=Aggregation.COUNT, quantity_property="", expression="")
                | ~Q(aggregation=Aggregation.COUNT) & ~Q(quantity_property="") & Q(expression="")
                | ~Q(aggregation__in=[Aggregation.COUNT, Aggregation.UNIQUE_COUNT])
                & Q(quantity_property="")
                & ~Q(expression=""),
                name="meter_counts_or_measures_one_value",
                violation_error_message="Give a property or an expression; a count takes none.",
            ),
            models.CheckConstraint(
                condition=Q(weighted_by=WeightedBy.PERIOD)
                | Q(weighted_by=WeightedBy.HOUR, aggregation=Aggregation.WEIGHTED_SUM),
                name="meter_weighted_by_goes_with_weighted_sum",
                violation_error_message="Only a sum weighted by time is weighted by the hour.",
            ),
        ]

        triggers = [
            # A published price counts what it counted when it was published.
            pgtrigger.Trigger(
                name="meter_on_sale_is_frozen",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange(
                    "code",
                    "event_type",
                    "filters",
                    "aggregation",
                    "quantity_property",
                    "expression",
                    "weighted_by",
                ),
                func="""
                IF EXISTS (
                    SELECT FROM pricing_price price
                    JOIN pricing_planversion version ON version.id = price.plan_version_id
                    WHERE price.meter_id = OLD.id AND version.state = 'published'
                ) THEN
                    RAISE EXCEPTION 'what a published price counts never changes'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.code

    def clean(self) -> None:
        """Name the field that is wrong, and write a new meter's filters in their one form."""
        super().clean()
        errors = self._mistakes_in_value()
        if self.expression and "expression" not in errors:
            try:
                expressions.parse(self.expression)
            except expressions.ExpressionInvalid as error:
                errors["expression"] = [error.shown_in(self.expression)]
        try:
            canonical = filters.parse(self.filters).to_json()
        except filters.FilterInvalid as error:
            errors["filters"] = [f"{field} {why}." for field, why in error.errors]
        else:
            # What is on sale is frozen letter by letter; a meter that may be stays as it is.
            if self._state.adding:
                self.filters = canonical
        if self.weighted_by == WeightedBy.HOUR and self.aggregation != Aggregation.WEIGHTED_SUM:
            errors["weighted_by"] = ["Only a sum weighted by time is weighted by the hour."]
        if errors:
            raise ValidationError(errors)

    def _mistakes_in_value(self) -> dict[str, list[str]]:
        """Say what is missing or too much of property and expression."""
        given = [name for name in ("quantity_property", "expression") if getattr(self, name)]
        if self.aggregation == Aggregation.COUNT:
            return {
                name: ["A number of events takes no value; leave this empty."] for name in given
            }
        if self.aggregation == Aggregation.UNIQUE_COUNT and given != ["quantity_property"]:
            name = "expression" if self.expression else "quantity_property"
            return {name: ["Different values are told apart by a property."]}
        if not given:
            return {"quantity_property": ["Give a property to measure, or an expression."]}
        if len(given) > 1:
            return {"expression": ["Give a property or an expression, not both."]}
        return {}
