"""Run the whole product on this machine: database, broker, web, worker, beat and some life."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing_site import demo, embedded
from billing_site.processes.ports import PortTakenError
from billing_site.processes.single_run import AlreadyRunningError, LeftoversError
from billing_site.supervisor import ProgramFailedError

ALREADY_RUNNING = 3


class Command(BaseCommand):
    """Start everything, say where it is, and stop everything on Ctrl-C."""

    help = "Run the whole product here, with a database and a broker unless you name your own."
    # The checks would ask a database that does not run yet.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, help="8000, or the next free one, unless given")
        parser.add_argument("--web-workers", type=int, default=2, help="number of web processes")
        parser.add_argument("--no-stream", action="store_true", help="post no events by itself")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run until Ctrl-C; end with 3 when this home's demo is running already."""
        choices = demo.Choices(
            host=options["host"],
            port=options["port"],
            web_workers=options["web_workers"],
            stream=not options["no_stream"],
        )
        try:
            demo.run(choices)
        except AlreadyRunningError as holder:
            message = (
                f"The demo of {embedded.home()} is running already, as process {holder}."
                " Stop that one first, or set DRAWDOWN_HOME to another folder."
            )
            raise CommandError(message, returncode=ALREADY_RUNNING) from holder
        except PortTakenError as port:
            message = f"Something else is listening on port {port}; choose another with --port."
            raise CommandError(message) from port
        except (ProgramFailedError, LeftoversError) as error:
            raise CommandError(str(error)) from error
