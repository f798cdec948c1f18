"""Limits on what a customer may use in a window, and what their windows hold."""

import accounts.identifiers
import accounts.models.assets
import django.db.models.deletion
import django.utils.timezone
import metering.models.caps
import metering.spend_caps
import pgtrigger.compiler
import pgtrigger.migrations
from decimal import Decimal
from django.db import migrations, models

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_usage_stopped'),
        ('metering', '0005_unused_period_may_be_repriced'),
        ('pricing', '0005_plan_terms_same_tenant'),
    ]

    operations = [
        migrations.CreateModel(
            name='SpendCap',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('owner', models.CharField(choices=[('organization', 'The organization'), ('customer', 'The customer')], default='organization', max_length=16)),
                ('window', models.CharField(choices=[(metering.spend_caps.Window['REQUEST'], 'A request'), (metering.spend_caps.Window['HOUR'], 'A hour'), (metering.spend_caps.Window['DAY'], 'A day'), (metering.spend_caps.Window['MONTH'], 'A month'), (metering.spend_caps.Window['PERIOD'], 'A period')], default=metering.spend_caps.Window['MONTH'], max_length=16)),
                ('limit', accounts.models.assets.AmountField(db_column='most', decimal_places=12, help_text="In the asset, or in the meter's raw units.", max_digits=38)),
                ('property_name', models.CharField(blank=True, help_text='Counts each value of this property apart, for example team or session.', max_length=100)),
                ('property_value', models.CharField(blank=True, help_text='The only value that counts; empty for each.', max_length=200)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('asset', models.ForeignKey(blank=True, help_text='What the limit is an amount of; empty to count units of a meter.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.asset')),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='caps', to='accounts.customer')),
                ('meter', models.ForeignKey(blank=True, help_text='The only meter that counts; empty for all.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.meter')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
            ],
            options={
                'ordering': ['created_at'],
            },
        ),
        migrations.CreateModel(
            name='CapCounter',
            fields=[
                ('pk', models.CompositePrimaryKey('organization', 'cap', 'bucket', 'window_starts_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.CharField(blank=True, max_length=200)),
                ('window_starts_at', models.DateTimeField()),
                ('used', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
                ('held', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
                ('cap', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='counters', to='metering.spendcap')),
            ],
        ),
        migrations.AddIndex(
            model_name='spendcap',
            index=models.Index(condition=models.Q(('is_active', True)), fields=['organization', 'customer'], name='cap_in_force_by_customer'),
        ),
        migrations.AddConstraint(
            model_name='spendcap',
            constraint=models.UniqueConstraint(fields=('organization', 'id'), name='cap_of_tenant'),
        ),
        migrations.AddConstraint(
            model_name='spendcap',
            constraint=models.CheckConstraint(condition=models.Q(('limit__gte', 0)), name='cap_limit_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='spendcap',
            constraint=models.CheckConstraint(condition=models.Q(('asset__isnull', False), ('meter__isnull', False), _connector='OR'), name='cap_counts_an_asset_or_a_meter', violation_error_message='Choose an asset, or a meter whose units are counted.'),
        ),
        migrations.AddConstraint(
            model_name='spendcap',
            constraint=models.CheckConstraint(condition=models.Q(('property_value', ''), models.Q(('property_name', ''), _negated=True), _connector='OR'), name='cap_value_needs_a_property', violation_error_message='A value needs the property it is a value of.'),
        ),
        migrations.AddConstraint(
            model_name='spendcap',
            constraint=models.CheckConstraint(condition=models.Q(('owner__in', metering.models.caps.CapOwner), ('window__in', [metering.spend_caps.Window['REQUEST'], metering.spend_caps.Window['HOUR'], metering.spend_caps.Window['DAY'], metering.spend_caps.Window['MONTH'], metering.spend_caps.Window['PERIOD']])), name='cap_owner_and_window_known'),
        ),
        migrations.AddConstraint(
            model_name='spendcap',
            constraint=models.CheckConstraint(condition=models.Q(('limit__lte', Decimal('100000000000000000000000000'))), name='cap_limit_is_a_number'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='spendcap',
            trigger=pgtrigger.compiler.Trigger(name='spend_cap_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='307f24b10fbe6c050e188fb47a716ab1aff935ef', operation='DELETE', pgid='pgtrigger_spend_cap_never_deleted_32b8d', table='metering_spendcap', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='spendcap',
            trigger=pgtrigger.compiler.Trigger(name='spend_cap_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'spend cap is never truncated' USING ERRCODE = 'restrict_violation';", hash='2e6200f2496b929606cf5ff92033c6ef987bc08c', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_spend_cap_never_truncated_bce01', table='metering_spendcap', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='capcounter',
            constraint=models.CheckConstraint(condition=models.Q(('held__gte', 0)), name='cap_counter_holds_no_less_than_nothing'),
        ),
        migrations.AddConstraint(
            model_name='capcounter',
            constraint=models.CheckConstraint(condition=models.Q(('held__lte', Decimal('100000000000000000000000000')), ('used__lte', Decimal('100000000000000000000000000'))), name='cap_counter_amounts_are_numbers'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='capcounter',
            trigger=pgtrigger.compiler.Trigger(name='cap_counter_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='09bfa0fc9b9098c0e18bd02fa346efbbc33896fc', operation='DELETE', pgid='pgtrigger_cap_counter_never_deleted_32160', table='metering_capcounter', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='capcounter',
            trigger=pgtrigger.compiler.Trigger(name='cap_counter_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'cap counter is never truncated' USING ERRCODE = 'restrict_violation';", hash='8873313b32b9a2d2e36ee2554f4dea64c649ee3d', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_cap_counter_never_truncated_33a32', table='metering_capcounter', when='BEFORE')),
        ),
        same_tenant("metering_spendcap", "customer_id", "accounts_customer"),
        same_tenant("metering_spendcap", "asset_id", "accounts_asset"),
        same_tenant("metering_spendcap", "meter_id", "pricing_meter"),
        same_tenant("metering_capcounter", "cap_id", "metering_spendcap"),
    ]
