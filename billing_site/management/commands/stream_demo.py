"""Post a gentle stream of events to the running demo, so that its balances move."""

import datetime as dt
import json
import random
import time
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from billing_site import embedded
from billing_site.seeding.people import LUMEN_CUSTOMERS, draft


class Command(BaseCommand):
    """Uses the API as an integrator would, key and all."""

    help = "Post events of the demo's customers over HTTP until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the pace."""
        parser.add_argument("--seconds", type=float, default=3.0, help="mean time between events")

    def handle(self, *args: Any, **options: Any) -> None:
        """Post for ever; a refusal is normal, a server that is away is waited for."""
        facts = json.loads((embedded.home() / "demo.json").read_text(encoding="utf-8"))
        chance = random.Random()  # noqa: S311  Believable, not secret.
        while True:
            time.sleep(chance.expovariate(1 / options["seconds"]))
            habit = chance.choices(
                LUMEN_CUSTOMERS, weights=[each.events_per_day for each in LUMEN_CUSTOMERS]
            )[0]
            now = dt.datetime.now(dt.UTC)
            answer = self._post(
                facts["api_key"], "events", draft(habit, chance, timestamp=now.isoformat())
            )
            if answer == 402:  # noqa: PLR2004
                grant = {"asset": "USD", "amount": str(habit.top_up), "name": "Top-up"}
                self._post(facts["api_key"], f"customers/{habit.external_id}/grants", grant)

    def _post(self, key: str, path: str, body: dict[str, Any]) -> int:
        request = urllib.request.Request(  # noqa: S310  The address is our own.
            f"{settings.SITE_URL}/api/v1/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError as error:
            self.stderr.write(f"not reached: {error}")
            return 0
