"""Rows of a tenant refer only to rows of that tenant: composite foreign keys Django cannot declare."""

from django.db import migrations

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        same_tenant("accounts_portalmembership", "customer_id", "accounts_customer"),
        same_tenant("accounts_creditaccount", "customer_id", "accounts_customer"),
        same_tenant("accounts_creditaccount", "asset_id", "accounts_asset"),
        same_tenant("accounts_creditgrant", "account_id", "accounts_creditaccount"),
        same_tenant("accounts_hold", "account_id", "accounts_creditaccount"),
        # Room on the page, so that moving a balance rewrites the row in place.
        migrations.RunSQL(
            "ALTER TABLE accounts_creditaccount SET (fillfactor = 70);"
            "ALTER TABLE accounts_creditgrant SET (fillfactor = 80);",
            migrations.RunSQL.noop,
        ),
    ]
