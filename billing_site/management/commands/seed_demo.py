"""Fill an empty database with two invented companies and their believable past."""

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from accounts.models import Customer, Organization
from billing_site import embedded, self_check
from billing_site.seeding import access, history
from billing_site.seeding.catalogues import KESTREL, LUMEN
from billing_site.seeding.people import KESTREL_CUSTOMERS, LUMEN_CUSTOMERS


class Command(BaseCommand):
    """Seeds once; run again it changes nothing, but for lost passwords and keys."""

    help = "Create the demo's companies, customers and a month of their usage."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed what is missing."""
        now = timezone.now()
        if not Organization.objects.filter(slug=LUMEN.slug).exists():
            self._seed(now)
        facts = embedded.home() / "demo.json"
        if not facts.exists():
            organization = Organization.objects.get(slug=LUMEN.slug)
            portal = Customer.objects.get(
                organization=organization, external_id=LUMEN_CUSTOMERS[0].external_id
            )
            access.keep(access.open_doors(organization, portal, at=now), facts)

    def _seed(self, now: dt.datetime) -> None:
        (embedded.home() / "demo.json").unlink(missing_ok=True)
        start = now - dt.timedelta(days=history.DAYS)
        companies = ((LUMEN, LUMEN_CUSTOMERS), (KESTREL, KESTREL_CUSTOMERS))
        with transaction.atomic():
            for company, habits in companies:
                organization = history.found(company, at=start)
                regulars = history.take_on(organization, habits, at=start)
                history.live_through(organization, regulars, until=now)
        # The proof page has something to show before the schedule's first check.
        self_check.prove(clock=timezone.now)
        self.stdout.write("Seeded two companies and a month of usage.")
