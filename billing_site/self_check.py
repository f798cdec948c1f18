"""The self-check: the audits of all floors in one, for the command, the schedule and the tests.

It lives at the front door because it reads across floors, and the books, which stand below, cannot
know of the events and invoices above them.
"""

from accounts import audit as books_audit
from accounts.audit import Difference
from invoicing import audit as invoice_audit
from metering import audit as usage_audit


def differences() -> list[Difference]:
    """Check everything; an empty list is what is expected."""
    checks = (*books_audit.CHECKS, *usage_audit.CHECKS, *invoice_audit.CHECKS)
    return books_audit.run(checks)
