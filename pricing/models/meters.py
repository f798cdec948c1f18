"""Meters: the units of sale. A meter says which events count and how much of each."""

import pgtrigger
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import TenantModel

code_validator = RegexValidator(
    r"\A[a-z0-9][a-z0-9_.-]{0,99}\Z",
    "use small letters, digits, dots, dashes and underscores, for example output_tokens",
)


class Aggregation(models.TextChoices):
    """How a meter adds events up."""

    COUNT = "count", "Number of events"
    SUM = "sum", "Sum of a property"


class Meter(TenantModel):
    """What is counted: events of one type that pass the filter, by number or by a property."""

    code = models.CharField(max_length=100, validators=[code_validator])
    name = models.CharField(max_length=200)
    unit = models.CharField(
        max_length=50, blank=True, help_text="What one unit is called, for example token."
    )
    event_type = models.CharField(max_length=200)
    filters = models.JSONField(
        default=dict,
        blank=True,
        help_text='Only events whose properties equal these, for example {"status": "ok"}.',
    )
    aggregation = models.CharField(max_length=16, choices=Aggregation, default=Aggregation.SUM)
    quantity_property = models.CharField(
        max_length=100, blank=True, help_text="The property that is summed; empty for a count."
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
                condition=Q(aggregation=Aggregation.COUNT, quantity_property="")
                | (Q(aggregation=Aggregation.SUM) & ~Q(quantity_property="")),
                name="meter_sums_a_property_or_counts",
                violation_error_message="A sum needs a property to add up; a count takes none.",
            ),
        ]

        triggers = [
            # A published price counts what it counted when it was published.
            pgtrigger.Trigger(
                name="meter_on_sale_is_frozen",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange(
                    "code", "event_type", "filters", "aggregation", "quantity_property"
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
