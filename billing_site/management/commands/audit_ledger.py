"""`manage.py audit_ledger`: compute the books again and say where they differ."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from billing_site import self_check


class Command(BaseCommand):
    """Print every difference; the exit status is 1 when there is one."""

    help = "Recompute balances, grants, totals and invoices from their entries and events."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the self-check once."""
        differences = self_check.differences()
        for difference in differences:
            self.stdout.write(f"{difference.organization_id} {difference}")
        if differences:
            self.stderr.write(self.style.ERROR(f"{len(differences)} differences"))
            sys.exit(1)
        self.stdout.write(self.style.SUCCESS("The books are right: no difference."))
