"""What an invoice says of usage, standing amounts, commitments and minimums."""

from decimal import Decimal
from typing import Any

import pytest

from billing_site import self_check
from invoicing import closing
from invoicing.models import Invoice, InvoiceLine
from tests.clock import DAY, NOW
from tests.worlds import VideoWorld, open_world_selling

pytestmark = pytest.mark.django_db

LATER = NOW.replace(month=4, day=2, hour=0)
NAMED: dict[str, Any] = {"name": "Storage"}
PER_UNIT: dict[str, Any] = {"charge_model": "per_unit", "unit_amount": "2", "meter": NAMED}
GRADUATED: dict[str, Any] = {
    "charge_model": "graduated",
    "tiers": [{"up_to": "10", "unit_amount": "1", "flat_amount": "5"}, {"unit_amount": "0.5"}],
    "meter": NAMED,
}


def invoice_of(world: VideoWorld, *units: str) -> Invoice:
    world.record(*(world.used(units=each) for each in units))
    closing.close_due_periods(at=LATER)
    closing.build_due_invoices(at=LATER)
    assert self_check.differences() == []
    return Invoice.objects.get(customer=world.customer)


def lines(invoice: Invoice) -> list[str]:
    return [
        f"{line.description} {line.quantity.normalize():f}: {line.usage_amount.normalize():f} "
        f"- {line.credits_applied.normalize():f} = {line.amount.normalize():f}"
        for line in InvoiceLine.objects.filter(invoice=invoice).order_by("position")
    ]


def test_usage_and_the_standing_amount_are_lines_of_their_own() -> None:
    invoice = invoice_of(open_world_selling(GRADUATED, credit="0"), "8", "4")
    assert lines(invoice) == ["Storage 12: 11 - 0 = 11", "Storage: fixed amount 0: 5 - 0 = 5"]
    assert invoice.total == 16


def test_what_is_missing_to_a_commitment_and_a_minimum_is_said() -> None:
    terms = {"commitment": {"amount": "30"}, "minimum_amount": "50"}
    invoice = invoice_of(open_world_selling({**PER_UNIT, **terms}, credit="0"), "4")
    assert lines(invoice) == [
        "Storage 4: 8 - 0 = 8",
        "Storage: up to the commitment 0: 22 - 0 = 22",
        "Storage: up to the minimum 0: 20 - 0 = 20",
    ]
    assert invoice.total == 50


def test_usage_of_a_price_that_settles_at_close_is_one_line() -> None:
    price = {**PER_UNIT, "settle": "at_close"}
    assert lines(invoice_of(open_world_selling(price, credit="0"), "4", "3")) == [
        "Storage 7: 14 - 0 = 14"
    ]


def test_credit_pays_lines_and_only_the_rest_is_due() -> None:
    volume = {
        "charge_model": "volume_tiers",
        "tiers": [{"unit_amount": "1.255"}],
        "settle": "at_close",
        "meter": NAMED,
    }
    invoice = invoice_of(open_world_selling(volume, credit="10"), "9")
    assert lines(invoice) == ["Storage 9: 11.295 - 10 = 1.3"]
    assert invoice.total == Decimal("1.30")


def test_a_line_is_rounded_once_whatever_it_is_made_of() -> None:
    price = {"charge_model": "per_unit", "unit_amount": "0.001", "minimum_amount": "0.0155"}
    invoice = invoice_of(open_world_selling(price, credit="0"), *["1"] * 5)
    amounts = list(InvoiceLine.objects.order_by("position").values_list("amount", flat=True))
    assert amounts == [Decimal("0.01"), Decimal("0.01")]
    assert invoice.total == Decimal("0.02")


def test_a_period_without_use_is_invoiced_for_what_stands() -> None:
    world = open_world_selling({"charge_model": "flat", "flat_amount": "20"}, credit="0")
    invoice_of(world, "1")
    closing.close_due_periods(at=LATER + 31 * DAY)
    closing.build_due_invoices(at=LATER + 31 * DAY)
    totals = Invoice.objects.filter(customer=world.customer).values_list("total", flat=True)
    assert list(totals) == [20, 20]


def test_the_sum_of_the_lines_is_what_the_rules_say_of_the_whole() -> None:
    """Graduated with flats, a maximum and credit in between: 5 + 10 + 1 = 16, at most 14."""
    invoice = invoice_of(open_world_selling(GRADUATED | {"maximum_amount": "14"}, credit="3"), "12")
    assert lines(invoice) == ["Storage 12: 9 - 3 = 6", "Storage: fixed amount 0: 5 - 0 = 5"]
