"""Bring the database to the newest version and fill it once."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Two commands in one process, because to load the product twice takes seconds."""

    help = "Migrate the database and seed the demo unless it is seeded."
    requires_system_checks = ()

    def handle(self, *_: Any, **__: Any) -> None:
        """Migrate, then seed."""
        call_command("migrate", interactive=False, verbosity=0)
        call_command("seed_demo")
