"""What is stored, as far as it takes to see that something was or was not."""

from django.apps import apps
from django.contrib.sessions.models import Session

from metering.models import BillingPeriod, DeadLetter

# A session is about a visitor, a dead letter is how a refused event is kept, and a billing period
# opens by itself with the first event that comes to be looked at.
_NOT_COUNTED = {Session, DeadLetter, BillingPeriod}


def row_counts() -> dict[str, int]:
    """Return how many rows each table has."""
    return {
        model._meta.label: model._base_manager.count()
        for model in apps.get_models(include_auto_created=True)
        if model not in _NOT_COUNTED and model._meta.managed
    }
