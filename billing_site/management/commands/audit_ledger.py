"""`manage.py audit_ledger`: compute the books again and say where they differ."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing_site import self_check
from metering import cost_audit


class Command(BaseCommand):
    """Print every difference; the exit status is 1 when there is one."""

    help = "Recompute balances, grants, totals and invoices from their entries and events."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the option."""
        parser.add_argument(
            "--costs",
            action="store_true",
            help="Also compute what vendors took for each event; reads every event.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the self-check once."""
        differences = self_check.differences()
        if options["costs"]:
            differences += cost_audit.differences()
        for difference in differences:
            self.stdout.write(f"{difference.organization_id} {difference}")
        if differences:
            self.stderr.write(self.style.ERROR(f"{len(differences)} differences"))
            sys.exit(1)
        self.stdout.write(self.style.SUCCESS("The books are right: no difference."))
