"""Meters: the units of sale. A meter says which events count and how much of each."""

from collections import defaultdict

import pgtrigger
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import TenantModel
from pricing import expressions, filters, meter_form

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

    code = models.CharField(
        max_length=100,
        validators=[code_validator],
        help_text="What prices and reports call it, for example output_tokens.",
    )
    name = models.CharField(max_length=200)
    unit = models.CharField(
        max_length=50, blank=True, help_text="What one unit is called, for example token."
    )
    event_type = models.CharField(
        max_length=200, help_text="The type of the events it counts, for example llm.called."
    )
    filters = models.JSONField(
        encoder=DjangoJSONEncoder,  # Exact numbers are not for the plain one.
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
        "input_tokens + output_tokens * 3. There are + - * / and parentheses, min, max, ceil, "
        'floor, round, abs, if(model == "opus", tokens * 2, tokens), and default(tokens, 0) for '
        "a property that may be missing.",
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
            # So does a cost rate, or stored costs could not be computed again.
            pgtrigger.Trigger(
                name="meter_with_costs_is_frozen",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func="""
                IF to_jsonb(OLD) - 'name' - 'unit' <> to_jsonb(NEW) - 'name' - 'unit'
                    AND EXISTS (SELECT FROM pricing_costrate rate WHERE rate.meter_id = OLD.id)
                THEN
                    RAISE EXCEPTION 'what a cost rate counts never changes'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.code

    def clean(self) -> None:
        """Name the fields that are wrong, and write a new meter's filters in their one form."""
        super().clean()
        found = meter_form.mistakes(
            aggregation=self.aggregation,
            quantity_property=self.quantity_property,
            expression=self.expression,
            filters=self.filters,
            weighted_by=self.weighted_by,
        )
        if found:
            messages: defaultdict[str, list[str]] = defaultdict(list)
            for field, reason in found:
                name, _, part = field.partition(".")
                said = f"{part} {reason}" if part else f"{reason[0].upper()}{reason[1:]}"
                messages[name].append(f"{said}.")
            raise ValidationError(dict(messages))
        # What is on sale is frozen letter by letter; a meter that may be stays as it is.
        if self._state.adding:
            self.filters = filters.parse(self.filters).to_json()
