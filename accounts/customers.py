"""Customers: taking one on, and changing what is known of one."""

import datetime as dt
import re
import uuid
from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction

from accounts import tenancy
from accounts.models import Customer, Organization

# No text that has one can be encoded, so nobody is called so.
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

CHANGEABLE = frozenset({"name", "email", "time_zone", "metadata"})


class CustomerExists(Exception):
    """The organization has a customer with this external id."""


class UnknownCustomer(LookupError):
    """The organization has no such customer."""


def find(*, organization_id: uuid.UUID, external_id: str) -> Customer:
    """Return a customer by the integrator's own id. Raises UnknownCustomer."""
    if "\0" in external_id:  # PostgreSQL keeps no such text and refuses to look for one.
        raise UnknownCustomer(external_id)
    customer = (
        Customer.objects.for_organization(organization_id).filter(external_id=external_id).first()
    )
    if customer is None:
        raise UnknownCustomer(external_id)
    return customer


def find_all(*, organization_id: uuid.UUID, external_ids: Collection[str]) -> dict[str, Customer]:
    """Return those of these customers that the organization has, by the integrator's own ids."""
    asked = [each for each in external_ids if "\0" not in each and not _HALF_CHARACTER.search(each)]
    found = Customer.objects.for_organization(organization_id).filter(external_id__in=asked)
    return {customer.external_id: customer for customer in found.order_by()}


def create_customer(
    *, organization: Organization, external_id: str, at: dt.datetime, **facts: Any
) -> Customer:
    """Take a customer on; `facts` are those in CHANGEABLE. Raises CustomerExists."""
    with tenancy.transaction_for(organization.id):
        try:
            with transaction.atomic():
                return Customer.objects.create(
                    organization=organization, external_id=external_id, created_at=at, **facts
                )
        except IntegrityError as error:
            if Customer.objects.filter(organization=organization, external_id=external_id).exists():
                raise CustomerExists(external_id) from error
            raise


def change_customer(customer: Customer, **facts: Any) -> Customer:
    """Change facts of a customer. The time zone moves only periods that are not open yet."""
    unknown = facts.keys() - CHANGEABLE
    if unknown:
        raise ValueError(f"cannot change {', '.join(sorted(unknown))}")
    for name, value in facts.items():
        setattr(customer, name, value)
    with tenancy.transaction_for(customer.organization_id):
        customer.save(update_fields=sorted(facts))
    return customer


def stop_usage(*, customer: Customer, at: dt.datetime) -> Customer:
    """Let the customer use nothing new from now on; stopping again keeps the first moment.

    New authorizations and events that need credit are refused; what runs already goes on.
    """
    return _set_stop(customer, since=customer.usage_stopped_at or at)


def resume_usage(*, customer: Customer) -> Customer:
    """Let the customer use things again."""
    return _set_stop(customer, since=None)


def _set_stop(customer: Customer, *, since: dt.datetime | None) -> Customer:
    customer.usage_stopped_at = since
    with tenancy.transaction_for(customer.organization_id):
        customer.save(update_fields=["usage_stopped_at"])
    return customer
