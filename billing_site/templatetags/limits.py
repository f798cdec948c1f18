"""How spend caps read in a template."""

from decimal import Decimal

from django import template

from metering import cap_words
from metering.models import SpendCap

register = template.Library()


@register.filter
def limit(cap: SpendCap) -> str:
    """Write what is allowed in what time."""
    return cap_words.limit(cap)


@register.filter
def sentence(cap: SpendCap) -> str:
    """Write the whole cap."""
    return cap_words.sentence(cap)


@register.filter
def used(cap: SpendCap, value: Decimal) -> str:
    """Write how much of the limit is used."""
    return cap_words.used(cap, value)


@register.filter
def counted(cap: SpendCap, value: Decimal) -> str:
    """Write so much of what the cap counts."""
    return cap_words.amount(cap, value)
