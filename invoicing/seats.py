"""Seats: how many a subscription has, and since when; the next invoice makes up for a change."""

import datetime as dt

from accounts import tenancy
from invoicing.models import SeatChange
from pricing.models import Subscription
from pricing.models.plans import SEATS_MAX


class SeatsRefused(ValueError):
    """A subscription that has ended has no seats, and none has that many."""


def change_seats(*, subscription: Subscription, seats: int, at: dt.datetime) -> Subscription:
    """Give a live subscription so many seats from `at` on. Raises SeatsRefused."""
    if not 1 <= seats <= SEATS_MAX:
        raise SeatsRefused(f"must be from 1 to {SEATS_MAX}")
    with tenancy.transaction_for(subscription.organization_id):
        # Two who change them at once wait here for each other, so that the history is a chain.
        live = Subscription.objects.select_for_update(no_key=True, of=("self",))
        subscription = live.get(id=subscription.id)
        if subscription.ended_at is not None:
            raise SeatsRefused("the subscription has ended")
        if seats != subscription.seats:
            SeatChange.objects.create(
                organization_id=subscription.organization_id,
                subscription=subscription,
                seats_before=subscription.seats,
                seats=seats,
                effective_at=at,
            )
            subscription.seats = seats
            subscription.save(update_fields=["seats"])
        return subscription
