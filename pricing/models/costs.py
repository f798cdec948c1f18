"""Vendor costs: what an organization itself pays for what its customers use.

A cost rate is written for a meter, so that a cost counts exactly what a price counts. From its
`effective_from` on it holds until another rate of the same meter and vendor replaces it. What has
come into force never changes and is never overtaken by a rate from an earlier time, so the cost of
a moment that has passed stays what it was.
"""

import uuid

import pgtrigger
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from accounts.models import Asset, TenantModel, guards
from pricing.models.meters import Meter, code_validator

# Also takes the row's lock: rates of one organization are written one after the other. Not a
# number: what a transaction saw under one that was rolled back must not pass for the next one.
_MOVE_REVISION = """
UPDATE pricing_costpolicy SET revision = gen_random_uuid()
WHERE organization_id = {row}.organization_id;
IF NOT FOUND THEN
    RAISE EXCEPTION 'a cost rate needs a cost policy, which says in which asset costs are kept'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
"""

_REFUSE_IF_IN_FORCE = """
IF OLD.effective_from <= now() THEN
    RAISE EXCEPTION 'a cost rate that came into force never changes; add a later one'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
"""

_REFUSE_IF_OVERTAKEN = """
IF EXISTS (
    SELECT FROM pricing_costrate rate
    WHERE rate.organization_id = NEW.organization_id
        AND rate.meter_id = NEW.meter_id
        AND rate.vendor = NEW.vendor
        AND rate.id <> NEW.id
        AND rate.effective_from <= now()
        AND rate.effective_from >= NEW.effective_from
) THEN
    RAISE EXCEPTION 'a cost rate comes after those of its meter and vendor already in force'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
"""


class CostPolicy(TenantModel):
    """In which asset an organization keeps its costs, and what it does about a price below one.

    `revision` is another one after every change of a rate, by the database itself: one row tells a
    process whether the rates it compiled are still the newest.
    """

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    refuse_below_cost = models.BooleanField(
        "refuse prices below cost",
        default=False,
        help_text="A plan with such a price is not published. Otherwise it is only warned about.",
    )
    revision = models.UUIDField(default=uuid.uuid4, editable=False)

    class Meta:
        verbose_name_plural = "cost policies"
        ordering = ["organization"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization"],
                name="one_cost_policy_per_organization",
                violation_error_message="The organization has a cost policy.",
            ),
        ]
        triggers = [
            # Every rate and every stored cost is an amount of the asset it was written in.
            pgtrigger.Trigger(
                name="cost_asset_stays_with_its_rates",
                operation=pgtrigger.Update | pgtrigger.Delete,
                when=pgtrigger.Before,
                func="""
                IF (TG_OP = 'DELETE' OR NEW.asset_id <> OLD.asset_id
                    OR NEW.organization_id <> OLD.organization_id
                ) AND EXISTS (
                    SELECT FROM pricing_costrate rate
                    WHERE rate.organization_id = OLD.organization_id
                ) THEN
                    RAISE EXCEPTION 'costs stay in the asset in which rates were written'
                        USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
                """,
            ),
            guards.never_truncated("cost policy"),
        ]

    def __str__(self) -> str:
        return f"Costs in {self.asset}"


class CostRate(TenantModel):
    """What a vendor charges the organization for what a meter counts, from a moment on.

    `definition` has the JSON form of a price, in the asset of the organization's cost policy; only
    forms that need no running totals, which `pricing.cost_rates` sees to.
    """

    name = models.CharField(max_length=200, blank=True)
    vendor = models.CharField(
        max_length=100,
        validators=[code_validator],
        help_text="Who is paid, for example anthropic. A later rate replaces the vendor's earlier.",
    )
    meter = models.ForeignKey(
        Meter,
        on_delete=models.PROTECT,
        related_name="cost_rates",
        help_text="What is counted, for prices and for costs alike.",
    )
    effective_from = models.DateTimeField()
    definition = models.JSONField(
        encoder=DjangoJSONEncoder,  # Exact numbers are not for the plain one.
        default=dict,
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["meter__code", "vendor", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "meter", "vendor", "effective_from"],
                name="one_cost_rate_at_a_time",
                violation_error_message="The vendor has a rate for this meter from that moment.",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="cost_rate_is_appended",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                func=f"{_MOVE_REVISION.format(row='NEW')}{_REFUSE_IF_OVERTAKEN}RETURN NEW;",
            ),
            pgtrigger.Trigger(
                name="cost_rate_changes_while_planned",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func=(
                    f"{_REFUSE_IF_IN_FORCE}{_MOVE_REVISION.format(row='NEW')}"
                    f"{_REFUSE_IF_OVERTAKEN}RETURN NEW;"
                ),
            ),
            pgtrigger.Trigger(
                name="cost_rate_goes_while_planned",
                operation=pgtrigger.Delete,
                when=pgtrigger.Before,
                func=f"{_REFUSE_IF_IN_FORCE}{_MOVE_REVISION.format(row='OLD')}RETURN OLD;",
            ),
            guards.never_truncated("cost rate"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.vendor}: {self.meter}"
