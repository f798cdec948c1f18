"""Background work of the calendar. Each task finds its work in the database and may run twice."""

from celery import shared_task
from django.utils import timezone

from invoicing import closing, credit_notes


@shared_task
def close_due_periods() -> int:
    """Close billing periods whose time is over."""
    return closing.close_due_periods(at=timezone.now())


@shared_task
def build_invoices() -> int:
    """Invoice closed periods."""
    return closing.build_due_invoices(at=timezone.now())


@shared_task
def open_periods() -> int:
    """Begin what nobody has used yet, and invoice what is due when a period begins."""
    closing.begin_due_periods(at=timezone.now())
    return closing.open_due_periods(at=timezone.now())


@shared_task
def correct_invoices() -> int:
    """Write credit notes for events that were voided after their invoice."""
    return credit_notes.correct_invoices(at=timezone.now())
