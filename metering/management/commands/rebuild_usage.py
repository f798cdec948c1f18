"""`manage.py rebuild_usage`: make the half-hour slots behind charts again, from the events."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Organization
from metering import usage_folding


class Command(BaseCommand):
    """Charts stay right meanwhile: they are read from the events until the slots are there."""

    help = "Make the half-hour slots that charts are read from again, from the events."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--organization", help="The organization's slug (default: all organizations)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Forget the slots and fold all events again."""
        organizations = Organization.objects.order_by("slug")
        if options["organization"]:
            organizations = organizations.filter(slug=options["organization"])
            if not organizations:
                raise CommandError(f"There is no organization {options['organization']!r}.")
        for organization in organizations:
            usage_folding.restart(organization.id)
        self.stdout.write(f"{usage_folding.fold()} slots written")
