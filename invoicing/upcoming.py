"""Upcoming invoices: what a customer would be asked for if the open period ended as it stands.

Drawn by the same code as the final ones, in a transaction that cannot write: nothing is locked,
counted or numbered.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from accounts import ledger, tenancy
from accounts.models import CreditAccount, Customer
from invoicing import drawing, fees
from invoicing.drawing import Drawing
from metering import billing_periods, settlement
from metering.models import BillingPeriod
from pricing import subscriptions


class NotSubscribed(LookupError):
    """The customer has no subscription, so no invoice is to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """The invoices of the open period, one for each currency."""

    period: BillingPeriod
    drawings: Sequence[Drawing]


def preview(*, customer: Customer, at: dt.datetime) -> Upcoming:
    """Return the customer's next invoices as they stand at `at`. Raises NotSubscribed."""
    with tenancy.one_moment_for(customer.organization_id, read_only=True):
        subscription = subscriptions.live(customer)
        if subscription is None:
            raise NotSubscribed(customer.external_id)
        [period] = billing_periods.foresee_periods([subscription], at=at).values()
        # What follows asks for its fees in advance on the same invoice.
        [following] = billing_periods.foresee_periods([subscription], at=period.ends_at).values()
        accounts = dict(
            CreditAccount.objects.for_organization(customer.organization_id)
            .filter(customer=customer)
            .values_list("id", "asset_id")
        )
        books = ledger.read_books(
            organization_id=customer.organization_id, account_ids=accounts.keys(), at=at
        )
        charges = settlement.foresee(
            period=period,
            books={accounts[account_id]: book for account_id, book in books.items()},
            at=at,
        )
        opens = None if fees.is_opened(following) else following
        return Upcoming(
            period=period, drawings=drawing.of_period(period, charges=charges, opens=opens)
        )
