"""Ledger entries: every change of a balance, signed, chained and never changed again."""

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from accounts.models import guards
from accounts.models.assets import AmountField
from accounts.models.credits import CreditAccount, CreditGrant
from accounts.models.organizations import Organization


class EntryKind(models.TextChoices):
    """Why a balance changed."""

    GRANT = "grant", "Grant"
    USAGE = "usage", "Usage"
    EXPIRY = "expiry", "Expiry"
    VOID = "void", "Void"
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
        # Entries arrive in the order of time, so a few kilobytes find the recent ones.
        indexes = [BrinIndex(fields=["at"], name="entry_by_time")]
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
                condition=(
                    Q(kind__in=[EntryKind.USAGE, EntryKind.EXPIRY, EntryKind.VOID])
                    & Q(amount__lt=0)
                )
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
