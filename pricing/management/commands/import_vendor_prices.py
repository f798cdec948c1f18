"""`manage.py import_vendor_prices`: write what model vendors charge as cost rates."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import timestamps
from accounts.models import Organization
from pricing import vendor_catalogue, vendor_prices
from pricing.cost_rates import CostRateInvalid
from pricing.vendor_prices import CannotImport, UnknownVendor


class Command(BaseCommand):
    """Import once; importing again writes only what has changed."""

    help = (
        "Write what model vendors charge, as the data of the installed genai-prices package knows "
        "it, as cost rates by model. Each property of an event is taken to count only what no "
        "other does: input_tokens without those read from a cache or written to one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--organization", required=True, help="The organization's slug.")
        parser.add_argument(
            "--vendor",
            action="append",
            required=True,
            dest="vendors",
            help="For example anthropic or openai; may be repeated.",
        )
        parser.add_argument(
            "--event-type",
            default="completion",
            help="The type of the events that missing meters count (default: completion).",
        )
        parser.add_argument(
            "--vendor-property",
            default="",
            help="The property in which events name the vendor, if they do.",
        )
        parser.add_argument(
            "--model",
            action="append",
            default=[],
            dest="names",
            help="A further name by which events call a model, such as a dated one; repeatable.",
        )
        parser.add_argument(
            "--effective-from",
            help="From when the rates hold, for example 2026-01-31T00:00:00Z (default: now).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, and say what was written."""
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"there is no organization {options['organization']}")
        now = timezone.now()
        written = options["effective_from"]
        try:
            imported = vendor_prices.import_prices(
                organization=organization,
                vendors=options["vendors"],
                event_type=options["event_type"],
                vendor_property=options["vendor_property"],
                names=options["names"],
                effective_from=timestamps.parse(written) if written else None,
                at=now,
            )
        except UnknownVendor as error:
            known = ", ".join(vendor_catalogue.vendors())
            raise CommandError(f"there are no prices of {error}; known are {known}") from error
        except (CannotImport, CostRateInvalid, timestamps.TimestampInvalid) as error:
            raise CommandError(str(error)) from error
        for each in imported:
            self.stdout.write(
                f"{each.vendor:<16} {each.meter:<28} {each.models:>4} models "
                f"{each.cells:>5} cells  {each.change}"
            )
