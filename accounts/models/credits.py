"""The books: what each customer holds, in which asset, from which grants, by which entries.

Only `accounts.ledger` writes these tables. What must hold is held by the database as well, by the
constraints and triggers declared here, so that no other door exists.
"""

from decimal import Decimal
from typing import Any

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts import money
from accounts.burndown import Category
from accounts.models import guards
from accounts.models.customers import Customer
from accounts.models.organizations import Organization, TenantModel


class AmountField(models.DecimalField[Any, Decimal]):
    """An exact amount: NUMERIC(38,12)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = money.DIGITS
        kwargs["decimal_places"] = money.PLACES
        super().__init__(*args, **kwargs)


class Asset(TenantModel):
    """What balances are counted in: an ISO currency, or a unit of the organization's own."""

    code = models.CharField(max_length=32)
    name = models.CharField(max_length=100)
    scale = models.PositiveSmallIntegerField(
        help_text="Places of the minor unit: 2 for USD, 0 for JPY or whole credits."
    )
    is_currency = models.BooleanField(default=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "code"], name="asset_code_once_per_organization"
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="asset_of_tenant"),
            models.CheckConstraint(condition=Q(scale__lte=money.PLACES), name="asset_scale_fits"),
        ]

    def __str__(self) -> str:
        return self.code


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
            # The account is only ever moved to its newest entry: never back, never elsewhere.
            pgtrigger.Trigger(
                name="account_points_at_newest_entry",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange("version", "balance"),
                func="""
                IF NEW.version <= OLD.version OR NOT EXISTS (
                    SELECT FROM accounts_ledgerentry entry
                    WHERE entry.organization_id = NEW.organization_id
                      AND entry.account_id = NEW.id
                      AND entry.account_version = NEW.version
                      AND entry.balance_after = NEW.balance
                ) OR EXISTS (
                    SELECT FROM accounts_ledgerentry entry
                    WHERE entry.organization_id = NEW.organization_id
                      AND entry.account_id = NEW.id
                      AND entry.account_version = NEW.version + 1
                ) THEN
                    RAISE EXCEPTION 'account % does not point at its newest ledger entry', NEW.id
                    USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                RETURN NEW;
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
                fields=["expires_at"], condition=Q(expired_at=None), name="grant_expiry_due"
            ),
            models.Index(
                fields=["effective_at"], condition=Q(posted_at=None), name="grant_posting_due"
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
            guards.not_nan("amount", "remaining", "held", name="grant_amounts_are_numbers"),
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
                    "expires_at",
                    "meters",
                    "reference",
                    "created_at",
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} {self.get_category_display()}"


class OnExpiry(models.TextChoices):
    """What becomes of a hold that nobody claims in time."""

    RELEASE = "release", "Give it back"
    CAPTURE_REPORTED = "capture_reported", "Take what was reported"
    CAPTURE_FULL = "capture_full", "Take all of it"


class HoldState(models.TextChoices):
    """Open, or the one end it came to."""

    OPEN = "open", "Open"
    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Hold(TenantModel):
    """A reservation of part of an account's balance for work that is about to happen."""

    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="holds")
    reference = models.UUIDField()
    amount = AmountField()
    captured = AmountField(default=0)
    state = models.CharField(max_length=16, choices=HoldState, default=HoldState.OPEN)
    on_expiry = models.CharField(max_length=20, choices=OnExpiry, default=OnExpiry.RELEASE)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "account", "reference"], name="hold_once_per_reference"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="hold_above_zero"),
            models.CheckConstraint(
                condition=Q(captured__gte=0) & Q(captured__lte=F("amount")),
                name="captured_within_hold",
            ),
            models.CheckConstraint(
                condition=Q(state=HoldState.OPEN, ended_at=None)
                | (~Q(state=HoldState.OPEN) & Q(ended_at__isnull=False)),
                name="hold_ended_when_not_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=HoldState) & Q(on_expiry__in=OnExpiry),
                name="hold_state_known",
            ),
            guards.not_nan("amount", "captured", name="hold_amounts_are_numbers"),
        ]
        triggers = [
            *guards.never_deleted("hold"),
            pgtrigger.Protect(
                name="hold_ends_once",
                operation=pgtrigger.Update,
                condition=~pgtrigger.Q(old__state=HoldState.OPEN),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount:f} {self.state}"


class EntryKind(models.TextChoices):
    """Why a balance changed."""

    GRANT = "grant", "Grant"
    USAGE = "usage", "Usage"
    EXPIRY = "expiry", "Expiry"
    REVERSAL = "reversal", "Reversal"


class Contra(models.TextChoices):
    """The other side of an entry, for the accountant's trial balance."""

    DEFERRED_REVENUE = "deferred_revenue", "Deferred revenue"
    PROMOTIONAL_EXPENSE = "promotional_expense", "Promotional expense"
    REVENUE = "revenue", "Revenue"
    BREAKAGE = "breakage", "Breakage"
    CASH = "cash", "Cash"
    ADJUSTMENT = "adjustment", "Adjustment"


class LedgerEntry(models.Model):
    """One immutable, signed change of one account, chained to the change before it.

    An entry without a grant is credit the account owes: usage under an overdraft, or the part of
    a grant that paid such a debt. So per grant, and for the debt, the entries add up to what is
    left of it.
    """

    pk = models.CompositePrimaryKey("organization", "account", "account_version")
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    account = models.ForeignKey(
        CreditAccount,
        on_delete=models.PROTECT,
        related_name="entries",
        db_constraint=False,
        db_index=False,
    )
    account_version = models.BigIntegerField()
    amount = AmountField()
    balance_after = AmountField()
    kind = models.CharField(max_length=16, choices=EntryKind)
    contra = models.CharField(max_length=24, choices=Contra)
    grant = models.ForeignKey(
        CreditGrant,
        on_delete=models.PROTECT,
        null=True,
        related_name="entries",
        db_constraint=False,
        db_index=False,
    )
    reference = models.UUIDField(help_text="What caused it: an event's key, or a grant's id.")
    reverses_version = models.BigIntegerField(null=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["account", "account_version"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "reference", "account", "grant"],
                condition=Q(kind=EntryKind.USAGE),
                nulls_distinct=False,
                name="one_usage_entry_per_event_and_grant",
            ),
            models.UniqueConstraint(
                fields=["organization", "account", "reverses_version"],
                condition=Q(reverses_version__isnull=False),
                name="one_reversal_per_entry",
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="entry_changes_something"),
            models.CheckConstraint(condition=Q(account_version__gt=0), name="entry_version_from_1"),
            models.CheckConstraint(
                condition=Q(kind__in=EntryKind) & Q(contra__in=Contra), name="entry_kind_known"
            ),
            models.CheckConstraint(
                condition=(Q(kind=EntryKind.REVERSAL) & Q(reverses_version__isnull=False))
                | (~Q(kind=EntryKind.REVERSAL) & Q(reverses_version=None)),
                name="reversal_names_what_it_reverses",
            ),
            models.CheckConstraint(
                condition=(Q(kind__in=[EntryKind.USAGE, EntryKind.EXPIRY]) & Q(amount__lt=0))
                | (Q(kind__in=[EntryKind.GRANT, EntryKind.REVERSAL]) & Q(amount__gt=0)),
                name="entry_sign_fits_kind",
            ),
            guards.not_nan("amount", "balance_after", name="entry_amounts_are_numbers"),
        ]
        triggers = [
            *guards.append_only("ledger"),
            # One set statement per insert: checks that the new entries follow the account's newest
            # one and add up, belong to its tenant, and then moves the account to the last of them.
            pgtrigger.Trigger(
                name="ledger_is_chained",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="inserted"),
                declare=[("wrong", "uuid")],
                func="""
                SELECT chained.account_id INTO wrong FROM (
                    SELECT inserted.*,
                        lag(account_version) OVER link AS version_before,
                        lag(balance_after) OVER link AS balance_before
                    FROM inserted
                    WINDOW link AS (PARTITION BY account_id ORDER BY account_version)
                ) chained
                LEFT JOIN accounts_creditaccount account ON account.id = chained.account_id
                LEFT JOIN accounts_creditgrant credit ON credit.id = chained.grant_id
                WHERE account.id IS NULL
                    OR chained.organization_id <> account.organization_id
                    OR (chained.grant_id IS NOT NULL
                        AND credit.account_id IS DISTINCT FROM chained.account_id)
                    OR chained.account_version
                        <> coalesce(chained.version_before, account.version) + 1
                    OR chained.balance_after
                        <> coalesce(chained.balance_before, account.balance) + chained.amount
                LIMIT 1;
                IF FOUND THEN
                    RAISE EXCEPTION 'ledger entries of account % do not follow its newest one',
                        wrong USING ERRCODE = 'integrity_constraint_violation';
                END IF;
                UPDATE accounts_creditaccount account
                SET version = newest.account_version, balance = newest.balance_after
                FROM (
                    SELECT DISTINCT ON (account_id) account_id, account_version, balance_after
                    FROM inserted ORDER BY account_id, account_version DESC
                ) newest
                WHERE account.id = newest.account_id;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.account_version} {self.amount:+f} {self.kind}"
