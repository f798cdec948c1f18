"""`manage.py backtest`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from metering.models import BacktestRun
from pricing.models import ShortfallPolicy
from tests.metering.past import sold
from tests.price_menu import MENU, Shop

pytestmark = pytest.mark.django_db


def run(shop: Shop, *options: str) -> str:
    out = StringIO()
    names = (f"--organization={shop.organization.slug}", f"--plan={shop.plan.code}")
    period = ("--from=2025-01-01", "--to=2025-03-20T12:00:00Z")
    call_command("backtest", *names, *period, *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_same_prices_make_no_difference() -> None:
    shop = sold(["per_unit", "volume"])
    last = run(shop, "--version=1").strip().splitlines()[-1]
    name, charged, would_be, difference, percent, _ = last.split()
    assert (name, charged, difference, percent) == ("altogether", would_be, "0.00", "+0.00")


def test_a_draft_is_told_customer_by_customer() -> None:
    shop = sold(["per_unit"])
    shop.draft_version({"per_unit": MENU["rounded"]}, shortfall_policy=ShortfallPolicy.OVERAGE)
    told = run(shop)
    assert all(customer.external_id in told for customer in shop.customers)
    assert told.startswith(f"{shop.plan} v2 on ")
    only = run(shop, f"--customer={shop.customers[0].external_id}")
    assert shop.customers[1].external_id not in only


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--organization=nobody", "no organization"),
        ("--plan=nothing", "not a plan"),
        ("--version=9", "no such version"),
        ("--customer=nobody", "no customer nobody"),
        ("--from=yesterday", "RFC 3339|offset|timestamp"),
        ("--to=2020-01-01", "ends after its start"),
    ],
)
def test_what_cannot_be_done_is_said(option: str, message: str) -> None:
    shop = sold(["per_unit"])
    with pytest.raises(CommandError, match=message):
        run(shop, option)
    assert not BacktestRun.objects.exists()


def test_a_draft_with_problems_is_refused_with_them() -> None:
    shop = sold(["per_unit"])
    shop.draft_version({"credits": MENU["credits"]}, shortfall_policy=ShortfallPolicy.OVERAGE)
    with pytest.raises(CommandError, match="cannot be invoiced"):
        run(shop)
