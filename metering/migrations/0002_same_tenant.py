"""Rows of a tenant refer only to rows of that tenant: composite foreign keys Django cannot declare."""

from django.db import migrations

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial"), ("pricing", "0002_same_tenant")]

    operations = [
        same_tenant("metering_billingperiod", "subscription_id", "pricing_subscription"),
        same_tenant("metering_billingperiod", "customer_id", "accounts_customer"),
        same_tenant("metering_spendalert", "account_id", "accounts_creditaccount"),
        same_tenant("metering_alertfiring", "alert_id", "metering_spendalert"),
        same_tenant("metering_alertfiring", "account_id", "accounts_creditaccount"),
        migrations.RunSQL(
            "ALTER TABLE metering_usagetotal SET (fillfactor = 70);", migrations.RunSQL.noop
        ),
    ]
