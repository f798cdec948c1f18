"""Authorizations, and what they reserve of spend caps, which is not counted beside the used any more."""

import accounts.identifiers
import accounts.models.assets
import accounts.models.holds
import django.db.models.deletion
import django.utils.timezone
import metering.models.authorizations
import pgtrigger.compiler
import pgtrigger.migrations
from decimal import Decimal
from django.db import migrations, models

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_grants_can_be_voided'),
        ('metering', '0008_uncollected'),
    ]

    operations = [
        migrations.CreateModel(
            name='Authorization',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('quote', models.JSONField(help_text='What the work was expected to cost, by asset code.')),
                ('items', models.JSONField(help_text='The events it was asked for, each with its prices.')),
                ('on_expiry', models.CharField(choices=[('release', 'Give it back'), ('capture_reported', 'Take what was reported'), ('capture_full', 'Take all of it')], default='release', max_length=20)),
                ('expires_at', models.DateTimeField()),
                ('ended_as', models.CharField(blank=True, choices=[('captured', 'Captured'), ('released', 'Released')], max_length=16)),
                ('ended_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.customer')),
                ('organization', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
            ],
            options={
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='CapReservation',
            fields=[
                ('pk', models.CompositePrimaryKey('organization', 'authorization', 'cap', 'bucket', 'window_starts_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.CharField(blank=True, max_length=200)),
                ('window_starts_at', models.DateTimeField()),
                ('amount', accounts.models.assets.AmountField(decimal_places=12, max_digits=38)),
                ('ends_at', models.DateTimeField(null=True)),
                ('authorization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='cap_reservations', to='metering.authorization')),
                ('cap', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='metering.spendcap')),
                ('organization', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='capcounter',
            name='cap_counter_holds_no_less_than_nothing',
        ),
        migrations.RemoveConstraint(
            model_name='capcounter',
            name='cap_counter_amounts_are_numbers',
        ),
        migrations.AddConstraint(
            model_name='capcounter',
            constraint=models.CheckConstraint(condition=models.Q(('used__lte', Decimal('100000000000000000000000000'))), name='cap_counter_amounts_are_numbers'),
        ),
        migrations.RemoveField(
            model_name='capcounter',
            name='held',
        ),
        migrations.AddIndex(
            model_name='authorization',
            index=models.Index(fields=['organization', 'created_at'], name='authorization_by_age'),
        ),
        migrations.AddIndex(
            model_name='authorization',
            index=models.Index(fields=['organization', 'customer', 'created_at'], name='authorization_by_customer'),
        ),
        migrations.AddConstraint(
            model_name='authorization',
            constraint=models.UniqueConstraint(fields=('organization', 'id'), name='authorization_of_tenant'),
        ),
        migrations.AddConstraint(
            model_name='authorization',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_as', ''), ('ended_at', None)), models.Q(('ended_as__in', metering.models.authorizations.Ending), ('ended_at__isnull', False)), _connector='OR'), name='authorization_ends_in_some_way'),
        ),
        migrations.AddConstraint(
            model_name='authorization',
            constraint=models.CheckConstraint(condition=models.Q(('on_expiry__in', accounts.models.holds.OnExpiry)), name='authorization_expiry_known'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='authorization',
            trigger=pgtrigger.compiler.Trigger(name='authorization_never_deleted', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='e8b0e740ad9ec851a4872649e1f5897ff54c750e', operation='DELETE', pgid='pgtrigger_authorization_never_deleted_eddfb', table='metering_authorization', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='authorization',
            trigger=pgtrigger.compiler.Trigger(name='authorization_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'authorization is never truncated' USING ERRCODE = 'restrict_violation';", hash='008eb3a3467f78e52e36f75b1e47dafa54fbe29e', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_authorization_never_truncated_ab2a6', table='metering_authorization', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='authorization',
            trigger=pgtrigger.compiler.Trigger(name='authorization_ends_once', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NOT (OLD."ended_as" = \'\'))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='fec5bda7460772f7da378d9e6b629f801c9f3d4a', operation='UPDATE', pgid='pgtrigger_authorization_ends_once_fecbb', table='metering_authorization', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='authorization',
            trigger=pgtrigger.compiler.Trigger(name='authorization_terms_are_fixed', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."organization_id" IS DISTINCT FROM (NEW."organization_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."on_expiry" IS DISTINCT FROM (NEW."on_expiry") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='f51e933198a4f287b65981f264518294f4bc4ff7', operation='UPDATE', pgid='pgtrigger_authorization_terms_are_fixed_7e7a4', table='metering_authorization', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='capreservation',
            index=models.Index(fields=['organization', 'cap', 'window_starts_at', 'ends_at'], name='cap_reservation_by_window'),
        ),
        migrations.AddConstraint(
            model_name='capreservation',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gte', 0)), name='cap_reservation_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='capreservation',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000'))), name='cap_reservation_is_a_number'),
        ),
        same_tenant("metering_authorization", "customer_id", "accounts_customer"),
        same_tenant("metering_capreservation", "authorization_id", "metering_authorization"),
        same_tenant("metering_capreservation", "cap_id", "metering_spendcap"),
    ]
