"""Tables of everything that is written because of the calendar."""

from invoicing.models.invoices import Invoice, InvoiceLine, InvoiceState, NumberSeries

__all__ = ["Invoice", "InvoiceLine", "InvoiceState", "NumberSeries"]
