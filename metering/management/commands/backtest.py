"""`manage.py backtest`: what past usage would have been charged at another version of a plan."""

import datetime as dt
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import money, timestamps
from accounts.models import Customer, Organization
from metering import backtest_reports, backtests
from metering.backtest_reports import AssetTotal, Figures
from metering.models import BacktestRun, BacktestState

LINES_SHOWN = 50
_SECONDS_BETWEEN_LOOKS = 0.2
_ROW = "{:<28} {:>20} {:>20} {:>20} {:>10}"


class Command(BaseCommand):
    """Asks for a backtest like anybody else, and does it here unless a worker is faster."""

    help = "Replay past events at a version of a plan and say what would have been charged."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let `--version` name the version of the plan, as everywhere else."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--organization", required=True, help="The organization's slug.")
        parser.add_argument("--plan", required=True, help="The plan's code.")
        parser.add_argument(
            "--version",
            type=int,
            dest="number",
            help="The version's number (default: the draft, or the newest one published).",
        )
        parser.add_argument(
            "--from",
            required=True,
            dest="start",
            help="From when on events count: 2026-01-31 (UTC) or 2026-01-31T12:00:00Z.",
        )
        parser.add_argument("--to", dest="end", help="Until when, exclusive (default: now).")
        parser.add_argument(
            "--customer",
            action="append",
            default=[],
            dest="customers",
            help="The external id of a customer; repeatable (default: all who were on the plan).",
        )
        parser.add_argument(
            "--everyone", action="store_true", help="Also customers who were on other plans."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, do, and tell."""
        run = self._ask(options)
        while not run.is_finished:
            if not backtests.advance(run_id=run.id, at=timezone.now()):
                # Somebody else may be busy with it.
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            run.refresh_from_db()
            self.stderr.write(f"{run.events_done} of {run.events_total or '?'} events")
        if run.state == BacktestState.FAILED:
            raise CommandError(run.error)
        self._tell(run)

    def _ask(self, options: dict[str, Any]) -> BacktestRun:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"there is no organization {options['organization']}")
        now = timezone.now()
        try:
            return backtests.request_backtest(
                plan_version=backtests.find_version(
                    organization_id=organization.id, plan=options["plan"], number=options["number"]
                ),
                range_starts_at=_moment(options["start"]),
                range_ends_at=_moment(options["end"]) if options["end"] else now,
                customers=_customers(organization, options["customers"]),
                everyone=options["everyone"],
                at=now,
            )
        except backtests.UnknownVersion as error:
            raise CommandError(f"{options['plan']}: {error}") from error
        except backtests.VersionRefused as refusal:
            lines = "\n".join(f"  {each.field}: {each.reason}" for each in refusal.problems)
            raise CommandError(f"the draft has problems:\n{lines}") from refusal
        except backtests.TooManyRuns as error:
            raise CommandError("too many backtests wait already") from error
        except (ValueError, timestamps.TimestampInvalid) as error:
            raise CommandError(str(error)) from error

    def _tell(self, run: BacktestRun) -> None:
        self.stdout.write(f"{run.plan_version} on {run.events_done} events")
        results = backtest_reports.largest_differences(run, limit=LINES_SHOWN)
        for total in backtest_reports.totals(run):
            asset = total.figures.asset
            heading = f"{asset.code}: {total.customers} customers"
            self.stdout.write("")
            self.stdout.write(_ROW.format(heading, "charged", "would be", "difference", "percent"))
            for result in results:
                if result.asset_id == asset.id:
                    figures = backtest_reports.figures_of(result)
                    self.stdout.write(_row(result.customer.external_id, figures))
            self.stdout.write(_row("altogether", total.figures))
            self._tell_margin(total)
        for refusal in run.refusals:
            self.stdout.write(f"{refusal['events']} events not priced: {refusal['detail']}")

    def _tell_margin(self, total: AssetTotal) -> None:
        before, after = total.figures.margin_before, total.figures.margin_after
        if before is not None and after is not None:
            scale = total.figures.asset.scale
            shown = [money.to_display(amount, scale=scale) for amount in (before, after)]
            self.stdout.write(f"margin before {shown[0]}, after {shown[1]}")


def _moment(text: str) -> dt.datetime:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return timestamps.parse(text)
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)


def _customers(organization: Organization, external_ids: Iterable[str]) -> list[Customer]:
    found = []
    for external_id in external_ids:
        customer = Customer.objects.filter(
            organization=organization, external_id=external_id
        ).first()
        if customer is None:
            raise CommandError(f"there is no customer {external_id}")
        found.append(customer)
    return found


def _row(name: str, figures: Figures) -> str:
    amounts: tuple[Decimal, ...] = (figures.charged, figures.would_be, figures.difference)
    shown = [money.to_display(amount, scale=figures.asset.scale) for amount in amounts]
    percent = "–" if figures.percent is None else f"{figures.percent:+f} %"
    return _ROW.format(name[:28], *shown, percent)
