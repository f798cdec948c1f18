"""Plan changes that reach into the open period, as long as nothing was used in it."""

import datetime as dt
from collections.abc import Sequence

from accounts import ledger, tenancy
from accounts.models import CreditAccount, Customer
from metering import billing_periods
from metering.models import BillingPeriod, UsageTotal
from pricing import overrides
from pricing.models import Plan, Subscription
from pricing.plan_document import PriceRow


def override_prices(
    *, customer: Customer, plan: Plan, prices: Sequence[PriceRow], at: dt.datetime
) -> bool:
    """Make `prices` the customer's overrides on the plan, in place of all it had there.

    They are charged from the next billing period on, and in the open one too while nothing was
    used in it. Returns whether anything changed. Raises plan_form.PlanInvalid.
    """
    with tenancy.transaction_for(customer.organization_id):
        # Under these locks nothing is used: what is found unused stays so.
        accounts = CreditAccount.objects.filter(
            organization=customer.organization_id, customer=customer
        )
        ledger.lock_books(
            organization_id=customer.organization_id,
            account_ids=list(accounts.values_list("id", flat=True)),
            at=at,
        )
        unused = _unused_period(customer, at=at)
        changed = overrides.replace(
            customer=customer, plan=plan, prices=prices, at=at, at_once=unused is not None
        )
        if changed and unused is not None:
            unused.plan_version_id = Subscription.objects.values_list(
                "plan_version", flat=True
            ).get(id=unused.subscription_id)
            unused.save(update_fields=["plan_version"])
        return changed


def _unused_period(customer: Customer, *, at: dt.datetime) -> BillingPeriod | None:
    """Return the customer's open period, opened if need be, unless something was used in it."""
    subscription = (
        Subscription.objects.filter(
            organization=customer.organization_id,
            customer=customer,
            ended_at=None,
            starts_at__lte=at,
        )
        .select_related("customer", "plan_version")
        .first()
    )
    if subscription is None:
        return None
    period = billing_periods.open_periods([subscription], at=at)[subscription.id]
    used = UsageTotal.objects.filter(organization=customer.organization_id, period=period)
    return None if used.exists() else period
