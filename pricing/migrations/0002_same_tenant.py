"""Rows of a tenant refer only to rows of that tenant: composite foreign keys Django cannot declare."""

from django.db import migrations

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):
    dependencies = [("pricing", "0001_initial"), ("accounts", "0002_same_tenant")]

    operations = [
        same_tenant("pricing_planversion", "plan_id", "pricing_plan"),
        same_tenant("pricing_price", "plan_version_id", "pricing_planversion"),
        same_tenant("pricing_price", "meter_id", "pricing_meter"),
        same_tenant("pricing_price", "asset_id", "accounts_asset"),
        same_tenant("pricing_subscription", "customer_id", "accounts_customer"),
        same_tenant("pricing_subscription", "plan_version_id", "pricing_planversion"),
    ]
