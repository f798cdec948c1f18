"""Backtests and their results, and an index that finds the late events of a period."""

import accounts.identifiers
import accounts.models.assets
import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_stored_answers'),
        ('metering', '0006_spend_caps'),
        ('pricing', '0006_costs'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BacktestResult',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('charged', accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='What events and the ends of periods were charged.', max_digits=38)),
                ('would_be', accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='What they would have been charged.', max_digits=38)),
                ('events', models.BigIntegerField(default=0, help_text='Events priced in this asset.')),
                ('unpriced', models.BigIntegerField(default=0, help_text='Those without a price in the version.')),
                ('cost', accounts.models.assets.AmountField(blank=True, decimal_places=12, help_text='What vendors took for the events, as far as it is known.', max_digits=38, null=True)),
                ('uncosted', models.BigIntegerField(default=0, help_text='Events whose cost is not known.')),
                ('charged_uncosted', accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='What those were charged.', max_digits=38)),
                ('would_be_uncosted', accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='What those would have been charged.', max_digits=38)),
                ('replayed_at', models.DateTimeField()),
            ],
            options={
                'ordering': ['customer', 'asset'],
            },
        ),
        migrations.CreateModel(
            name='BacktestRun',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('range_starts_at', models.DateTimeField(verbose_name='from')),
                ('range_ends_at', models.DateTimeField(verbose_name='to')),
                ('customer_ids', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), blank=True, default=list, help_text='The only customers; empty for all.')),
                ('everyone', models.BooleanField(default=False, help_text='Also customers who were on other plans at the time.')),
                ('fingerprint', models.CharField(editable=False, max_length=64)),
                ('state', models.CharField(choices=[('queued', 'Waiting for a worker'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed')], default='queued', editable=False, max_length=16)),
                ('place', models.JSONField(default=dict, editable=False)),
                ('attempts', models.PositiveIntegerField(default=0, editable=False)),
                ('claimed_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('events_total', models.BigIntegerField(editable=False, null=True)),
                ('events_done', models.BigIntegerField(default=0, editable=False)),
                ('events_unpriced', models.BigIntegerField(default=0, editable=False)),
                ('refusals', models.JSONField(default=list, editable=False, help_text='Why events could not be priced, and how many.')),
                ('error', models.CharField(blank=True, editable=False, max_length=500)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('started_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('finished_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                'verbose_name': 'backtest',
                'ordering': ['-requested_at'],
            },
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('is_late', True)), fields=['organization', 'period'], name='event_late'),
        ),
        migrations.AddField(
            model_name='backtestresult',
            name='asset',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.asset'),
        ),
        migrations.AddField(
            model_name='backtestresult',
            name='customer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.customer'),
        ),
        migrations.AddField(
            model_name='backtestresult',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='backtestrun',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='backtestrun',
            name='plan_version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='pricing.planversion'),
        ),
        migrations.AddField(
            model_name='backtestrun',
            name='requested_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='backtestresult',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='results', to='metering.backtestrun'),
        ),
        migrations.AddIndex(
            model_name='backtestrun',
            index=models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['requested_at'], name='backtest_unfinished'),
        ),
        migrations.AddConstraint(
            model_name='backtestrun',
            constraint=models.UniqueConstraint(fields=('organization', 'id'), name='backtest_of_tenant'),
        ),
        migrations.AddConstraint(
            model_name='backtestrun',
            constraint=models.CheckConstraint(condition=models.Q(('range_ends_at__gt', models.F('range_starts_at'))), name='backtest_range_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='backtestrun',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state__in', ['queued', 'running'])), models.Q(('finished_at__isnull', False), ('state__in', ['done', 'failed'])), _connector='OR'), name='backtest_finished_when_dated'),
        ),
        migrations.AddConstraint(
            model_name='backtestresult',
            constraint=models.UniqueConstraint(fields=('organization', 'run', 'customer', 'asset'), name='one_backtest_result_per_customer_and_asset'),
        ),
        migrations.AddConstraint(
            model_name='backtestresult',
            constraint=models.CheckConstraint(condition=models.Q(('charged__lte', Decimal('100000000000000000000000000')), ('charged_uncosted__lte', Decimal('100000000000000000000000000')), ('cost__lte', Decimal('100000000000000000000000000')), ('would_be__lte', Decimal('100000000000000000000000000')), ('would_be_uncosted__lte', Decimal('100000000000000000000000000'))), name='backtest_amounts_are_numbers'),
        ),
        same_tenant("metering_backtestrun", "plan_version_id", "pricing_planversion"),
        same_tenant("metering_backtestresult", "run_id", "metering_backtestrun"),
        same_tenant("metering_backtestresult", "customer_id", "accounts_customer"),
        same_tenant("metering_backtestresult", "asset_id", "accounts_asset"),
    ]
