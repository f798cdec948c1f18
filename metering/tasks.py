"""Background work of metering. Each task finds its work in the database and may run twice."""

from celery import shared_task
from django.utils import timezone

from metering import alerts, sweeping


@shared_task
def deliver_alerts() -> int:
    """Mail the alert firings that wait."""
    return alerts.deliver_due(at=timezone.now())


@shared_task
def settle_due_grants() -> int:
    """Book grants that became effective or expired."""
    return sweeping.settle_due_grants(at=timezone.now())
