from decimal import Decimal

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

import accounts.identifiers
import accounts.models.assets
from accounts.models.guards import same_tenant


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_account_is_checked_in_sets'),
        ('metering', '0011_events_looked_up_by_key'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageFold',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('position', models.BigIntegerField(default=0)),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
            ],
        ),
        migrations.CreateModel(
            name='UsageSlot',
            fields=[
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
                ('customer', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.customer')),
                ('starts_at', models.DateTimeField()),
                ('asset', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.asset')),
                ('amount', accounts.models.assets.AmountField(decimal_places=12, max_digits=38)),
                ('charges', models.BigIntegerField(help_text='How many rated events that is.')),
                ('pk', models.CompositePrimaryKey('organization', 'customer', 'starts_at', 'asset', blank=True, editable=False, primary_key=True, serialize=False)),
            ],
        ),
        migrations.AddIndex(
            model_name='event',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['position'], name='event_by_position'),
        ),
        migrations.AddConstraint(
            model_name='usagefold',
            constraint=models.UniqueConstraint(fields=('organization',), name='one_usage_fold_each'),
        ),
        migrations.AddConstraint(
            model_name='usageslot',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000'))), name='slot_amount_is_a_number'),
        ),
        same_tenant("metering_usageslot", "customer_id", "accounts_customer"),
        same_tenant("metering_usageslot", "asset_id", "accounts_asset"),
        # A batch may change every row of a page at once, and each then wants room beside the old.
        migrations.RunSQL(
            "ALTER TABLE metering_usagetotal SET (fillfactor = 45);"
            "ALTER TABLE metering_usageslot SET (fillfactor = 45);",
            "ALTER TABLE metering_usagetotal SET (fillfactor = 70);",
        ),
    ]
