"""Explanations: how the amount of a recorded event came about, tier by tier.

Prices never change once published, so a working is not stored but retraced, from where the period
stood before the event.
"""

from decimal import Decimal

from metering.models import RatedEvent
from pricing import catalog
from pricing.rating import before_of, write_steps


def explain(rated: RatedEvent) -> list[dict[str, str]]:
    """Return the steps that make up what one price charged; `rated` needs its price.

    A price that settles on values known only at the close has none for an event.
    """
    price = catalog.compiled_plan(rated.price.plan_version_id).price(rated.price_id)
    working = rated.working
    billable = Decimal(working.get("billable", working["quantity"]))
    steps = price.compiled.explain(rated.cell, before_of(working), billable)
    return write_steps(steps)
