"""What the database refuses of invoices, typed by hand at a prompt."""

from decimal import Decimal

import pytest
from django.db import transaction

from invoicing import numbering
from invoicing.models import Invoice, InvoiceLine, InvoiceState, NumberSeries
from tests.clock import NOW
from tests.factories import (
    InvoiceFactory,
    InvoiceLineFactory,
    NumberSeriesFactory,
    OrganizationFactory,
)
from tests.guarded_tables import refused, run

pytestmark = pytest.mark.django_db

FINAL = {"state": InvoiceState.FINALIZED, "number": 1, "finalized_at": NOW}


@pytest.fixture
def final() -> InvoiceLine:
    """The one line of a final invoice over 10."""
    line = InvoiceLineFactory.create()
    Invoice.objects.update(subtotal=Decimal(10), total=Decimal(10), **FINAL)
    return line


class TestFinalInvoices:
    @pytest.mark.parametrize(
        "change",
        [
            "total = 1",
            "number = 2",
            "state = 'draft', number = NULL, finalized_at = NULL",
            "customer_id = gen_random_uuid()",
        ],
    )
    def test_an_invoice_never_changes(self, final: InvoiceLine, change: str) -> None:
        with refused("Cannot update"):
            run(f"UPDATE invoicing_invoice SET {change}")

    def test_an_invoice_is_never_deleted(self, final: InvoiceLine) -> None:
        with refused("Cannot update or delete"):
            run("DELETE FROM invoicing_invoice")

    def test_its_lines_never_change(self, final: InvoiceLine) -> None:
        with refused("lines of a final invoice never change"):
            run("UPDATE invoicing_invoiceline SET amount = 1")

    def test_its_lines_do_not_go(self, final: InvoiceLine) -> None:
        with refused("lines of a final invoice never change"):
            run("DELETE FROM invoicing_invoiceline")

    def test_no_line_is_added(self, final: InvoiceLine) -> None:
        with refused("lines of a final invoice never change"):
            InvoiceLineFactory.create(invoice=final.invoice)

    def test_no_line_moves_in(self, final: InvoiceLine) -> None:
        draft = InvoiceLineFactory.create()
        with refused("lines of a final invoice never change"):
            InvoiceLine.objects.filter(id=draft.id).update(invoice=final.invoice)

    @pytest.mark.parametrize("table", ["invoicing_invoice", "invoicing_invoiceline"])
    def test_tables_are_never_emptied(self, table: str) -> None:
        with refused("never truncated"):
            run(f"TRUNCATE {table} CASCADE")


class TestInvoices:
    @pytest.mark.parametrize(
        "changed",
        [
            {"number": 1},
            {"finalized_at": NOW},
            {"state": InvoiceState.FINALIZED},
            {"state": InvoiceState.FINALIZED, "number": 1},
            {"state": InvoiceState.FINALIZED, "finalized_at": NOW},
        ],
    )
    def test_a_number_if_and_only_if_it_is_final(self, changed: dict[str, object]) -> None:
        with refused("numbered_when_not_draft"):
            InvoiceFactory.create(**changed)

    def test_the_subtotal_is_the_sum_of_the_lines(self) -> None:
        InvoiceLineFactory.create()
        with refused("the subtotal of an invoice is the sum of its lines"):
            Invoice.objects.update(subtotal=Decimal("10.01"), **FINAL)

    def test_the_subtotal_of_an_invoice_born_final_is_checked_too(self) -> None:
        with refused("the subtotal of an invoice is the sum of its lines"):
            InvoiceFactory.create(final=True, subtotal=Decimal(1))

    def test_a_period_has_one_invoice_in_each_currency(self) -> None:
        invoice = InvoiceFactory.create()
        with refused("one_live_invoice_per_period"):
            InvoiceFactory.create(period=invoice.period)

    def test_a_number_is_given_once_in_a_series(self) -> None:
        invoice = InvoiceFactory.create(final=True, number=7)
        InvoiceFactory.create(final=True, number=7)
        with refused("invoice_number_once_per_series"):
            InvoiceFactory.create(
                final=True,
                number=7,
                period__subscription__customer__organization=invoice.organization,
            )

    def test_a_position_is_taken_once(self) -> None:
        line = InvoiceLineFactory.create()
        with refused("line_position_once"):
            InvoiceLineFactory.create(invoice=line.invoice, position=line.position)


class TestNumbers:
    @pytest.mark.parametrize("change", ["last_number + 2", "last_number", "last_number - 1"])
    def test_a_counter_moves_by_one(self, change: str) -> None:
        NumberSeriesFactory.create(last_number=5)
        with refused("an invoice counter moves by one"):
            run(f"UPDATE invoicing_numberseries SET last_number = {change}")

    def test_a_counter_is_never_negative(self) -> None:
        with refused("counter_not_negative"):
            NumberSeriesFactory.create(last_number=-1)

    def test_a_series_has_one_counter(self) -> None:
        series = NumberSeriesFactory.create()
        with refused("one_counter_per_series"):
            NumberSeriesFactory.create(organization=series.organization)

    def test_a_counter_is_never_deleted(self) -> None:
        NumberSeriesFactory.create()
        with refused("Cannot delete"):
            run("DELETE FROM invoicing_numberseries")

    def test_a_rollback_gives_the_number_back(self) -> None:
        organization = OrganizationFactory.create()
        taken = [numbering.next_number(organization_id=organization.id, prefix="INV")]
        with transaction.atomic():
            numbering.next_number(organization_id=organization.id, prefix="INV")
            transaction.set_rollback(True)
        taken.append(numbering.next_number(organization_id=organization.id, prefix="INV"))
        assert taken == [1, 2]
        assert NumberSeries.objects.get().last_number == 2
