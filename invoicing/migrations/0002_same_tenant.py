"""Rows of a tenant refer only to rows of that tenant: composite foreign keys Django cannot declare."""

from django.db import migrations

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0001_initial"), ("metering", "0002_same_tenant")]

    operations = [
        same_tenant("invoicing_invoice", "customer_id", "accounts_customer"),
        same_tenant("invoicing_invoice", "period_id", "metering_billingperiod"),
        same_tenant("invoicing_invoice", "asset_id", "accounts_asset"),
        same_tenant("invoicing_invoiceline", "invoice_id", "invoicing_invoice"),
        same_tenant("invoicing_invoiceline", "price_id", "pricing_price"),
    ]
