"""How exact amounts look in a template."""

from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import money

register = template.Library()


@register.filter
def exact(amount: Decimal, scale: int) -> SafeString:
    """Show every digit of `amount`; those beyond the asset's minor unit are marked up as small."""
    whole, point, fraction = money.to_display(amount, scale=scale).partition(".")
    if not scale:
        coarse, fine = whole, point + fraction
    else:
        coarse, fine = f"{whole}.{fraction[:scale]}", fraction[scale:]
    return format_html('<span class="amount">{}<small>{}</small></span>', coarse, fine)


@register.filter
def quantity(value: Decimal) -> str:
    """Show how much was used: grouped thousands and no more places than there are."""
    return money.to_display(value, scale=0)
