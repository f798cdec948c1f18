"""What every page of a customer begins with: whose it is, on which plan, and where one may go."""

from typing import Any, Literal

from accounts.models import Customer
from pricing.models import PlanVersion, Subscription

type Tab = Literal["overview", "statement", "events", "limits"]


def plan_version(customer: Customer) -> PlanVersion | None:
    """Return what the customer is on now."""
    subscription = (
        Subscription.objects.for_organization(customer.organization_id)
        .filter(customer=customer, ended_at=None)
        .select_related("plan_version__plan")
        .first()
    )
    return subscription.plan_version if subscription else None


def context(customer: Customer, *, is_operator: bool, tab: Tab) -> dict[str, Any]:
    """Return what the head of the page is drawn from; `customer` needs its organization."""
    return {
        "customer": customer,
        "organization": customer.organization,
        "is_operator": is_operator,
        "plan_version": plan_version(customer),
        "tab": tab,
    }
