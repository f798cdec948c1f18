"""Taxation: which tax rates count for a customer."""

from accounts.models import Customer
from invoicing.models import TaxProfile, TaxRate
from invoicing.taxes import Tax


def taxes_of(customer: Customer) -> list[Tax]:
    """Return the taxes of a customer's invoices, in the order of their codes.

    None for one that is exempt; those agreed on with it, if any; else those of its country; else
    those of no country.
    """
    organization_id = customer.organization_id
    profile = TaxProfile.objects.for_organization(organization_id).filter(customer=customer).first()
    if profile is not None and profile.is_exempt:
        return []
    active = TaxRate.objects.for_organization(organization_id).filter(is_active=True)
    rates = list(active.order_by("code"))
    country = profile.country if profile is not None else ""
    if profile is not None and profile.rate_codes:
        found = [rate for rate in rates if rate.code in profile.rate_codes]
    else:
        found = [rate for rate in rates if country and rate.country == country]
        found = found or [rate for rate in rates if not rate.country]
    return [
        Tax(name=rate.name, percent=rate.percent, is_inclusive=rate.is_inclusive) for rate in found
    ]
