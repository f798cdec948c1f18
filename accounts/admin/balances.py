"""Assets, which people name, and the books, which only the ledger writes."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts import ledger, money
from accounts.burndown import Category
from accounts.models import Asset, CreditAccount, CreditGrant
from accounts.tenant_admin import ReadOnlyAdmin, TenantForm, TenantModelAdmin


@admin.register(Asset)
class AssetAdmin(TenantModelAdmin):
    """Currencies and units of the organization's own."""

    fields = ["code", "name", "is_currency", "scale"]
    list_display = ["code", "name", "is_currency", "scale"]
    search_fields = ["code", "name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Keep what amounts already written depend on."""
        return ["code", "is_currency", "scale"] if obj else []


@admin.register(CreditAccount)
class CreditAccountAdmin(ReadOnlyAdmin):
    """Balances as they are booked."""

    ordering = ["customer__external_id", "asset__code"]

    fields = ["customer", "asset", "posted_amount", "held_amount", "floor_amount", "created_at"]
    list_display = ["customer", "asset", "posted_amount", "held_amount", "floor_amount"]
    list_filter = ["asset"]
    list_select_related = ["customer", "asset"]
    search_fields = ["customer__external_id", "customer__name"]
    show_full_result_count = False

    @admin.display(description="Posted", ordering="balance")
    def posted_amount(self, account: CreditAccount) -> str:
        """Return the balance for people."""
        return money.to_display(account.balance, scale=account.asset.scale)

    @admin.display(description="Held", ordering="held")
    def held_amount(self, account: CreditAccount) -> str:
        """Return what open holds reserve."""
        return money.to_display(account.held, scale=account.asset.scale)

    @admin.display(description="Floor", ordering="floor")
    def floor_amount(self, account: CreditAccount) -> str:
        """Return how low the balance may go."""
        return money.to_display(account.floor, scale=account.asset.scale)


class CreditGrantForm(TenantForm):
    """Credit that somebody gives by hand."""

    class Meta:
        model = CreditGrant
        fields = ["account", "amount", "category", "expires_at", "name"]

    def clean_amount(self) -> Decimal:
        """Refuse nothing and less."""
        amount: Decimal = self.cleaned_data["amount"]
        if amount <= 0:
            raise ValidationError("This must be above zero.")
        return amount

    def clean_expires_at(self) -> dt.datetime | None:
        """Refuse credit that is gone before anybody can use it."""
        expires_at: dt.datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError("This must be in the future.")
        return expires_at


@admin.register(CreditGrant)
class CreditGrantAdmin(ReadOnlyAdmin):
    """Grants and what is left of them. Given here or by the API, never edited."""

    form = CreditGrantForm
    autocomplete_fields = ["account"]
    list_display = ["account", "given_amount", "left_amount", "category", "expires_at", "name"]
    list_filter = ["category"]
    list_select_related = ["account__customer", "account__asset"]
    search_fields = ["account__customer__external_id", "account__customer__name", "reference"]
    show_full_result_count = False

    @admin.display(description="Amount", ordering="amount")
    def given_amount(self, grant: CreditGrant) -> str:
        """Return the whole grant."""
        return money.to_display(grant.amount, scale=grant.account.asset.scale)

    @admin.display(description="Left", ordering="remaining")
    def left_amount(self, grant: CreditGrant) -> str:
        """Return what usage, expiry and debts have not taken yet."""
        return money.to_display(grant.remaining, scale=grant.account.asset.scale)

    @admin.display(description="Carried over")
    def carried_amount(self, grant: CreditGrant) -> str:
        """Return how much of it was carried over, last time."""
        if not grant.carried:
            return "-"
        return money.to_display(grant.carried, scale=grant.account.asset.scale)

    @admin.display(description="Paid for it")
    def cost_basis(self, grant: CreditGrant) -> str:
        """Return what was paid for it, where that is known."""
        asset = grant.cost_basis_asset
        if asset is None:
            return "-"
        return f"{money.to_display(grant.cost_basis_amount, scale=asset.scale)} {asset}"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask for a new grant's terms; show everything of an old one."""
        if obj is None:
            return ["account", "amount", "category", "expires_at", "name"]
        return [
            "account", "name", "given_amount", "left_amount", "category", "priority",
            "effective_at", "expires_at", "posted_at", "expired_at", "voided_at", "void_reason",
            "carried_amount", "cost_basis", "meters", "reference",
        ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Owners, admins and platform staff may give credit."""
        return self._may_edit(request)

    def save_model(
        self,
        request: HttpRequest,
        obj: CreditGrant,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Give the credit through the ledger."""
        made = ledger.grant_credit(
            account=obj.account,
            amount=obj.amount,
            category=Category(obj.category),
            at=timezone.now(),
            expires_at=obj.expires_at,
            name=obj.name,
        )
        obj.pk = made.pk
        obj.refresh_from_db()
