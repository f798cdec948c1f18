"""Background work that reads across floors."""

from celery import shared_task

from billing_site import self_check


class BooksBroken(Exception):
    """The self-check found differences; the message names the first of them."""


@shared_task
def check_ledger() -> None:
    """Run the self-check. Raises BooksBroken, so that a difference shows as a failed task."""
    differences = self_check.differences()
    if differences:
        lines = "\n".join(str(difference) for difference in differences[:20])
        message = f"{len(differences)} differences in the books:\n{lines}"
        raise BooksBroken(message)
