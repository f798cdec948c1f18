"""Credit accounts and grants: what each customer holds, in which asset, from which grants.

Only `accounts.ledger` writes these tables. What must hold is held by the database as well, by the
constraints and triggers declared here, so that no other door exists.
"""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.burndown import Category
from accounts.models import guards
from accounts.models.assets import AmountField, Asset
from accounts.models.customers import Customer
from accounts.models.organizations import TenantModel


class CreditAccount(TenantModel):
    """A customer's balance in one asset. Its row is the only lock on money."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="accounts")
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    balance = AmountField(default=0)
    held = AmountField(default=0)
    floor = AmountField(default=0, help_text="0 for prepaid, negative for a credit line.")
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "customer", "asset"], name="account_once_per_asset"
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="account_of_tenant"),
            models.CheckConstraint(
                condition=Q(balance__gte=F("held") + F("floor")), name="available_not_negative"
            ),
            models.CheckConstraint(condition=Q(held__gte=0), name="held_not_negative"),
            models.CheckConstraint(condition=Q(floor__lte=0), name="floor_not_positive"),
            guards.not_nan("balance", "held", "floor", name="account_amounts_are_numbers"),
        ]
        triggers = [
            *guards.never_deleted("account"),
            pgtrigger.Trigger(
                name="account_starts_empty",
                operation=pgtrigger.Insert,
                when=pgtrigger.Before,
                condition=pgtrigger.Q(new__version__df=0) | pgtrigger.Q(new__balance__df=0),
                func="RAISE EXCEPTION 'an account starts at version 0 with nothing in it' "
                "USING ERRCODE = 'integrity_constraint_violation';",
            ),
            pgtrigger.Trigger(
                name="account_keeps_owner",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("organization", "customer", "asset"),
                func="RAISE EXCEPTION 'an account keeps its customer and asset' "
                "USING ERRCODE = 'integrity_constraint_violation';",
            ),
            # An account is only ever moved to its newest entry: never back, never elsewhere. EXCEPT
            # leaves out the rows that stayed where they were without joining the two sets, which
            # have no index and no statistics. The newest entry is looked up from the account's own
            # version on, so that a long history costs nothing.
            pgtrigger.Trigger(
                name="account_points_at_newest_entry",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                referencing=pgtrigger.Referencing(old="before", new="changed"),
                declare=[("wrong", "uuid")],
                func="""
                SELECT moved.id INTO wrong FROM (
                    SELECT organization_id, id, version, balance FROM changed
                    EXCEPT
                    SELECT organization_id, id, version, balance FROM before
                ) moved
                WHERE (moved.version, moved.balance) IS DISTINCT FROM (
                    SELECT (entry.account_version, entry.balance_after)
                    FROM accounts_ledgerentry entry
                    WHERE entry.organization_id = moved.organization_id
                        AND entry.account_id = moved.id
                        AND entry.account_version >= moved.version
                    ORDER BY entry.account_version DESC LIMIT 1
                )
                LIMIT 1;
                IF FOUND THEN
                    RAISE EXCEPTION 'account % does not point at its newest ledger entry', wrong
                    USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer} {self.asset}"


class CreditGrant(TenantModel):
    """Credit given to an account: bought, included, promotional or refunded."""

    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="grants")
    amount = AmountField()
    remaining = AmountField()
    held = AmountField(default=0)
    category = models.CharField(max_length=16, choices=[(c, c.title()) for c in Category])
    priority = models.PositiveSmallIntegerField(default=50)
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    posted_at = models.DateTimeField(
        null=True, help_text="When it entered the balance; empty while it is still to come."
    )
    expired_at = models.DateTimeField(null=True, help_text="When its expiry was booked.")
    voided_at = models.DateTimeField(null=True, help_text="When it was taken back.")
    void_reason = models.CharField(max_length=500, blank=True)
    series = models.UUIDField(
        null=True, help_text="Grants of one series follow each other; what is left rolls over."
    )
    rollover_limit = AmountField(  # type: ignore[misc]  # Null takes over all.
        null=True,
        help_text="The most it takes over of those before it in its series; empty for all.",
    )
    carried = AmountField(  # type: ignore[misc]  # Null until it is carried over.
        null=True, help_text="How much of it was carried over, last time."
    )
    cost_basis_amount = AmountField(  # type: ignore[misc]  # Null together with its asset.
        null=True, help_text="What was paid for it."
    )
    cost_basis_asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, null=True, related_name="+"
    )
    meters = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="Codes of the only meters it pays for; empty for all.",
    )
    reference = models.CharField(
        max_length=200, blank=True, help_text="The payment or order behind it; one grant for each."
    )
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at"]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(expired_at=None, voided_at=None),
                name="grant_expiry_due",
            ),
            models.Index(
                fields=["effective_at"],
                condition=Q(posted_at=None, voided_at=None),
                name="grant_posting_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="grant_of_tenant"),
            models.UniqueConstraint(
                fields=["organization", "reference"],
                condition=~Q(reference=""),
                name="one_grant_per_payment",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="grant_above_zero"),
            models.CheckConstraint(
                condition=Q(held__gte=0)
                & Q(held__lte=F("remaining"))
                & Q(remaining__lte=F("amount")),
                name="grant_held_within_remaining_within_amount",
            ),
            models.CheckConstraint(condition=Q(priority__lte=100), name="grant_priority_to_100"),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gt=F("effective_at")),
                name="grant_expires_after_effective",
            ),
            models.CheckConstraint(
                condition=Q(category__in=list(Category)), name="grant_category_known"
            ),
            models.CheckConstraint(
                condition=Q(series__isnull=False, expires_at__isnull=False)
                | Q(series=None, rollover_limit=None, carried=None),
                name="grant_of_a_series_expires",
            ),
            models.CheckConstraint(
                condition=Q(rollover_limit=None) | Q(rollover_limit__gt=0),
                name="grant_rollover_limit_above_zero",
            ),
            models.CheckConstraint(
                condition=Q(carried=None) | Q(carried__gte=0, carried__lte=F("amount")),
                name="grant_carried_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(cost_basis_amount=None, cost_basis_asset=None)
                | Q(
                    cost_basis_amount__isnull=False,
                    cost_basis_amount__gt=0,
                    cost_basis_asset__isnull=False,
                    category=Category.PAID,
                ),
                name="grant_that_was_paid_for_says_in_what",
            ),
            models.CheckConstraint(
                condition=Q(void_reason="") | Q(voided_at__isnull=False),
                name="grant_void_reason_needs_a_void",
            ),
            guards.not_nan("amount", "remaining", "held", name="grant_amounts_are_numbers"),
            guards.not_nan(
                "rollover_limit", "carried", "cost_basis_amount", name="grant_terms_are_numbers"
            ),
        ]
        triggers = [
            *guards.never_deleted("grant"),
            pgtrigger.ReadOnly(
                name="grant_terms_are_fixed",
                fields=[
                    "organization",
                    "account",
                    "amount",
                    "category",
                    "priority",
                    "effective_at",
                    "meters",
                    "reference",
                    "series",
                    "rollover_limit",
                    "cost_basis_amount",
                    "cost_basis_asset",
                    "created_at",
                ],
            ),
            pgtrigger.Protect(
                name="grant_expires_later_only_when_carried",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.expires_at IS DISTINCT FROM NEW.expires_at AND NOT coalesce("
                    "NEW.series IS NOT NULL AND NEW.carried IS NOT NULL"
                    " AND NEW.expires_at > OLD.expires_at, false)"
                ),
            ),
            pgtrigger.Protect(
                name="grant_carries_no_more_than_before",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.carried IS NOT NULL AND NOT coalesce(NEW.carried <= OLD.carried, false)"
                ),
            ),
            pgtrigger.Protect(
                name="grant_voided_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.voided_at IS NOT NULL AND OLD.voided_at IS DISTINCT FROM NEW.voided_at"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} {self.get_category_display()}"
