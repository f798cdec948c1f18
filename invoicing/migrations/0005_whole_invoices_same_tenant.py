"""Rows of the new tables refer only to rows of their own tenant, too."""

from django.db import migrations

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0004_whole_invoices")]

    operations = [
        same_tenant("invoicing_invoice", "replaces_id", "invoicing_invoice"),
        same_tenant("invoicing_invoiceline", "item_id", "invoicing_invoiceitem"),
        same_tenant("invoicing_invoiceline", "redemption_id", "pricing_couponredemption"),
        same_tenant("invoicing_invoicetax", "invoice_id", "invoicing_invoice"),
        same_tenant("invoicing_invoiceitem", "customer_id", "accounts_customer"),
        same_tenant("invoicing_invoiceitem", "asset_id", "accounts_asset"),
        same_tenant("invoicing_invoiceitem", "invoice_id", "invoicing_invoice"),
        same_tenant("invoicing_seatchange", "subscription_id", "pricing_subscription"),
        same_tenant("invoicing_periodopening", "period_id", "metering_billingperiod"),
        same_tenant("invoicing_perioddrafting", "period_id", "metering_billingperiod"),
        same_tenant("invoicing_taxprofile", "customer_id", "accounts_customer"),
        same_tenant("invoicing_creditnote", "customer_id", "accounts_customer"),
        same_tenant("invoicing_creditnote", "invoice_id", "invoicing_invoice"),
        same_tenant("invoicing_creditnote", "asset_id", "accounts_asset"),
        same_tenant("invoicing_invoicecorrection", "void_id", "metering_eventvoid"),
        same_tenant("invoicing_invoicecorrection", "invoice_id", "invoicing_invoice"),
        same_tenant("invoicing_invoicecorrection", "credit_note_id", "invoicing_creditnote"),
        same_tenant("invoicing_invoicecorrection", "item_id", "invoicing_invoiceitem"),
    ]
