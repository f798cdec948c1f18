"""When a price can be charged: on each event, or only when the period closes. One rule.

A price settles on events when what an event adds is known the moment it comes, and never has to be
given back: the meter's total never falls, and the charge model is additive. Everything else is
known only when the period is over.
"""

from pricing.price_terms import PriceTerms

RISING_AGGREGATIONS = frozenset({"count", "sum", "max", "unique_count"})


def reason_against_on_event(aggregation: str, terms: PriceTerms) -> str:
    """Say why a price cannot settle on each event; "" when it can."""
    if aggregation not in RISING_AGGREGATIONS:
        name = aggregation.replace("_", " ")
        return (
            f"the meter's {name} is known only when the period is over (a later event can lower "
            "it), so this price settles at close"
        )
    for model in terms.charge_models():
        if not model.is_additive:
            name = model.name.replace("_", " ")
            return (
                f"{name} reprice everything used so far when a new tier is reached, so no event "
                "knows its price and this price settles at close"
            )
    return ""
