"""Items: amounts an operator adds, for the customer's next invoice in their currency to take up."""

import datetime as dt
from decimal import Decimal

from accounts import money, tenancy
from accounts.models import Asset, Customer
from invoicing.models import InvoiceItem

AMOUNT_MAX = Decimal(10) ** 15
"""Far above any item, and far below what an invoice of several can still add up."""


class ItemRefused(ValueError):
    """The item cannot be invoiced; `field` says what is wrong with it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def check(*, asset: Asset, amount: Decimal) -> None:
    """Raise ItemRefused unless an item of `amount` could be added: above zero, not absurd, in a
    currency, and in whole minor units of it."""
    if not asset.is_currency:
        raise ItemRefused("asset", "is no currency and cannot be invoiced")
    if amount <= 0:
        raise ItemRefused("amount", "must be above zero; give a credit note to ask for less")
    if amount >= AMOUNT_MAX:
        raise ItemRefused("amount", "must have at most 15 digits before the point")
    if money.round_to_minor_unit(amount, scale=asset.scale) != amount:
        raise ItemRefused("amount", f"must have at most {asset.scale} places")


def add_item(
    *, customer: Customer, asset: Asset, amount: Decimal, description: str, at: dt.datetime
) -> InvoiceItem:
    """Add an item for the customer's next invoice. Raises ItemRefused."""
    check(asset=asset, amount=amount)
    with tenancy.transaction_for(customer.organization_id):
        return InvoiceItem.objects.create(
            organization_id=customer.organization_id,
            customer=customer,
            asset=asset,
            amount=amount,
            description=description,
            created_at=at,
        )
