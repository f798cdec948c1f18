"""`manage.py rerate_invoice`: make an invoice again from its events and say where it differs."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import money
from invoicing import rebuilding
from invoicing.models import Invoice


class Command(BaseCommand):
    """Print every difference; the exit status is 1 when there is one."""

    help = "Rate the events of an invoice's period once more and compare, to the cent."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("number", help="As printed, for example INV-000042.")
        parser.add_argument("--organization", required=True, help="The organization's slug.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild one invoice."""
        invoice = _find(options["organization"], options["number"])
        rebuilt = rebuilding.rebuild(invoice)
        for what, said, again in rebuilt.differences:
            self.stdout.write(f"{what}: says {money.to_wire(said)}, is {money.to_wire(again)}")
        events = f"{rebuilt.events} events come to {money.to_wire(rebuilt.total)} {invoice.asset}"
        if rebuilt.differences:
            self.stderr.write(self.style.ERROR(f"{invoice}: {events}, which is another amount"))
            sys.exit(1)
        self.stdout.write(self.style.SUCCESS(f"{invoice}: {events}, as it says."))


def _find(slug: str, number: str) -> Invoice:
    series, _, digits = number.rpartition("-")
    found = None
    if digits.isascii() and digits.isdecimal() and len(digits) < 19:  # noqa: PLR2004
        found = (
            Invoice.objects.filter(organization__slug=slug, series=series, number=int(digits))
            .select_related("asset")
            .first()
        )
    if found is None:
        raise CommandError(f"{slug} has no invoice {number}")
    return found
