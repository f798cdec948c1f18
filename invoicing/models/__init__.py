"""Tables of everything that is written because of the calendar."""

from invoicing.models.credit_notes import CREDIT_NOTE_SERIES, CreditNote, InvoiceCorrection
from invoicing.models.fees import PeriodDrafting, PeriodOpening, SeatChange
from invoicing.models.invoices import (
    Invoice,
    InvoiceItem,
    InvoiceKind,
    InvoiceLine,
    InvoiceState,
    InvoiceTax,
    ItemOrigin,
    NumberSeries,
)
from invoicing.models.terms import GRACE_SECONDS_MAX, InvoicingTerms, TaxProfile, TaxRate

__all__ = [
    "CREDIT_NOTE_SERIES",
    "GRACE_SECONDS_MAX",
    "CreditNote",
    "Invoice",
    "InvoiceCorrection",
    "InvoiceItem",
    "InvoiceKind",
    "InvoiceLine",
    "InvoiceState",
    "InvoiceTax",
    "InvoicingTerms",
    "ItemOrigin",
    "NumberSeries",
    "PeriodDrafting",
    "PeriodOpening",
    "SeatChange",
    "TaxProfile",
    "TaxRate",
]
