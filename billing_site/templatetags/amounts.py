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
def signed(amount: Decimal, scale: int) -> SafeString:
    """Show every digit of a change, with its sign also when it adds."""
    shown = exact(amount, scale)
    return format_html('<span class="gain">+{}</span>', shown) if amount > 0 else shown


@register.filter
def rounded(amount: Decimal, scale: int) -> SafeString:
    """Show `amount` to the asset's minor unit, for tables in which many are compared.

    Every digit is in the title. What is not zero is never shown as zero.
    """
    shown = money.round_to_minor_unit(amount, scale=scale)
    text = money.to_display(shown, scale=scale)
    if amount and not shown:
        smallest = money.to_display(Decimal(1).scaleb(-scale), scale=scale)
        text = f"< {smallest}" if amount > 0 else f"> −{smallest}"
    return format_html(
        '<span class="amount" title="{}">{}</span>', money.to_display(amount, scale=scale), text
    )


@register.filter
def quantity(value: Decimal) -> str:
    """Show how much was used: grouped thousands and no more places than there are."""
    return money.to_display(value, scale=0)
