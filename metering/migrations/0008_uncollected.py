"""The part of what usage costs that nobody pays, and which authorization an event was captured from."""

import accounts.models.assets
import django.db.models.expressions
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_grants_can_be_voided'),
        ('metering', '0007_backtests'),
        ('pricing', '0006_costs'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='ratedevent',
            name='rated_amounts_are_numbers',
        ),
        migrations.RemoveConstraint(
            model_name='ratedevent',
            name='overage_within_amount',
        ),
        migrations.RemoveConstraint(
            model_name='usagetotal',
            name='total_amounts_are_numbers',
        ),
        migrations.AddField(
            model_name='event',
            name='authorization',
            field=models.UUIDField(db_column='authorization_id', help_text='What the event was captured from, when it was.', null=True),
        ),
        migrations.AddField(
            model_name='ratedevent',
            name='uncollected',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='The part of work captured from an authorization that nobody pays.', max_digits=38),
        ),
        migrations.AddField(
            model_name='usagetotal',
            name='uncollected',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='The part of the amount that nobody pays.', max_digits=38),
        ),
        migrations.AlterField(
            model_name='event',
            name='charges',
            field=models.JSONField(help_text='What was answered: asset, amount, overage, balance, available; and what of it is uncollected, if anything.'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('authorization__isnull', False)), fields=['organization', 'authorization'], name='event_by_authorization'),
        ),
        migrations.AddConstraint(
            model_name='ratedevent',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000')), ('overage__lte', Decimal('100000000000000000000000000')), ('quantity__lte', Decimal('100000000000000000000000000')), ('uncollected__lte', Decimal('100000000000000000000000000'))), name='rated_amounts_are_numbers'),
        ),
        migrations.AddConstraint(
            model_name='ratedevent',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gte', django.db.models.expressions.CombinedExpression(models.F('overage'), '+', models.F('uncollected'))), ('overage__gte', 0), ('uncollected__gte', 0)), name='overage_and_uncollected_within_amount'),
        ),
        migrations.AddConstraint(
            model_name='usagetotal',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000')), ('billable__lte', Decimal('100000000000000000000000000')), ('metered_amount__lte', Decimal('100000000000000000000000000')), ('overage__lte', Decimal('100000000000000000000000000')), ('quantity__lte', Decimal('100000000000000000000000000')), ('uncollected__lte', Decimal('100000000000000000000000000'))), name='total_amounts_are_numbers'),
        ),
    ]
