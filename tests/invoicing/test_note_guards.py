"""What the database refuses of taxes, items, credit notes and terms, typed by hand at a prompt."""

from decimal import Decimal

import pytest
from django.db import models

from invoicing.models import (
    CreditNote,
    Invoice,
    InvoiceItem,
    InvoiceState,
    InvoicingTerms,
    ItemOrigin,
)
from tests.clock import NOW
from tests.factories import (
    CreditNoteFactory,
    InvoiceCorrectionFactory,
    InvoiceFactory,
    InvoiceItemFactory,
    InvoiceTaxFactory,
    InvoicingTermsFactory,
    PeriodOpeningFactory,
    SeatChangeFactory,
    TaxProfileFactory,
    TaxRateFactory,
)
from tests.guarded_tables import refused, run

pytestmark = pytest.mark.django_db


class TestCreditNotes:
    def test_come_to_no_more_than_their_invoice(self) -> None:
        note: CreditNote = CreditNoteFactory.create()
        CreditNoteFactory.create(invoice=note.invoice, subtotal=Decimal(6), total=Decimal(6))
        with refused("no more than their final invoice"):
            CreditNoteFactory.create(
                invoice=note.invoice, subtotal=Decimal("0.01"), total=Decimal("0.01")
            )

    def test_are_of_a_final_invoice(self) -> None:
        with refused("no more than their final invoice"):
            CreditNoteFactory.create(invoice=InvoiceFactory.create(total=Decimal(10)))

    def test_never_change(self) -> None:
        CreditNoteFactory.create()
        with refused("Cannot update"):
            CreditNote.objects.update(reason="other")

    @pytest.mark.parametrize("total", ["0", "-1"])
    def test_are_above_zero(self, total: str) -> None:
        with refused("credit_note_above_zero"):
            CreditNoteFactory.create(subtotal=Decimal(total), total=Decimal(total))

    def test_add_up(self) -> None:
        with refused("credit_note_adds_up"):
            CreditNoteFactory.create(total=Decimal(5))

    def test_have_a_number_of_their_own(self) -> None:
        note: CreditNote = CreditNoteFactory.create(number=3)
        with refused("credit_note_number_once"):
            CreditNoteFactory.create(invoice=note.invoice, number=3)


class TestTaxes:
    def test_of_a_final_invoice_never_change(self) -> None:
        tax = InvoiceTaxFactory.create()
        Invoice.objects.update(
            state=InvoiceState.FINALIZED,
            number=1,
            finalized_at=NOW,
            tax=tax.amount,
            total=tax.amount,
        )
        with refused("taxes of a final invoice never change"):
            run("UPDATE invoicing_invoicetax SET amount = 1")
        with refused("taxes of a final invoice never change"):
            InvoiceTaxFactory.create(invoice=tax.invoice)

    def test_are_what_the_invoice_says(self) -> None:
        InvoiceTaxFactory.create()
        with refused("the tax of an invoice is the sum"):
            Invoice.objects.update(
                state=InvoiceState.FINALIZED, number=1, finalized_at=NOW, tax=9, total=9
            )

    def test_and_lines_make_the_total(self) -> None:
        with refused("invoice_total_adds_up"):
            InvoiceFactory.create(final=True, total=Decimal(1))

    @pytest.mark.parametrize("percent", ["-1", "100.01"])
    def test_have_rates_up_to_a_hundred(self, percent: str) -> None:
        with refused("tax_is_up_to_100_percent"):
            TaxRateFactory.create(percent=Decimal(percent))


class TestItems:
    def test_stay_what_they_are(self) -> None:
        InvoiceItemFactory.create()
        with refused("item_is_fixed|read"):
            InvoiceItem.objects.update(amount=1)
        with refused("Cannot delete"):
            run("DELETE FROM invoicing_invoiceitem")

    @pytest.mark.parametrize(
        ("amount", "origin"),
        [("0", ItemOrigin.OPERATOR), ("-1", ItemOrigin.OPERATOR), ("-1", ItemOrigin.CORRECTION)],
    )
    def test_are_above_zero_unless_carried(self, amount: str, origin: str) -> None:
        with refused("item_above_zero_unless_carried"):
            InvoiceItemFactory.create(amount=Decimal(amount), origin=origin)


ONCE: dict[str, type] = {
    "one_set_of_invoicing_terms": InvoicingTermsFactory,
    "one_tax_profile_per_customer": TaxProfileFactory,
    "tax_code_once_per_organization": TaxRateFactory,
    "period_opened_once": PeriodOpeningFactory,
}


@pytest.mark.parametrize("name", ONCE)
def test_what_there_is_once(name: str) -> None:
    row = ONCE[name].create()  # type: ignore[attr-defined]
    row.pk, row._state.adding = None, True
    row.id = type(row)._meta.pk.get_default()
    with refused(name):
        row.save(force_insert=True)


@pytest.mark.parametrize(
    "factory", [InvoiceCorrectionFactory, PeriodOpeningFactory, SeatChangeFactory]
)
def test_history_is_only_added_to(factory: type) -> None:
    row: models.Model = factory.create()  # type: ignore[attr-defined]
    with refused("Cannot update or delete"):
        run(f"DELETE FROM {row._meta.db_table}")


def test_terms_have_bounds() -> None:
    terms: InvoicingTerms = InvoicingTermsFactory.create()
    with refused("grace_is_bounded"):
        InvoicingTerms.objects.filter(id=terms.id).update(grace_seconds=10**8)
    with refused("credits_timing_known"):
        InvoicingTerms.objects.filter(id=terms.id).update(credits_timing="never")
