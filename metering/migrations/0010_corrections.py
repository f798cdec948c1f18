"""Voids of events, adjustments of totals, and what an event has added to spend caps."""

import accounts.identifiers
import accounts.models.assets
import django.db.models.deletion
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
import pricing.period_charges
from decimal import Decimal
from django.db import migrations, models

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_grants_can_be_voided'),
        ('metering', '0009_authorizations'),
        ('pricing', '0006_costs'),
    ]

    operations = [
        migrations.CreateModel(
            name='Adjustment',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(blank=True, choices=[(pricing.period_charges.Kind['STANDING'], 'Standing'), (pricing.period_charges.Kind['USAGE'], 'Usage'), (pricing.period_charges.Kind['COMMITMENT'], 'Commitment'), (pricing.period_charges.Kind['MINIMUM'], 'Minimum')], help_text='Of a charge of the close; empty for what events were charged.', max_length=16)),
                ('cell', models.TextField(blank=True)),
                ('is_after_invoice', models.BooleanField(default=False, help_text='The period was invoiced before; a credit note makes up for it.')),
                ('events', models.BigIntegerField(default=0)),
                ('quantity', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
                ('billable', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
                ('metered_amount', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
                ('amount', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
                ('overage', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
                ('uncollected', accounts.models.assets.AmountField(decimal_places=12, default=0, max_digits=38)),
            ],
        ),
        migrations.CreateModel(
            name='EventVoid',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('event_key', models.UUIDField()),
                ('voided_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('replacement_key', models.UUIDField(blank=True, help_text='The event that was recorded in its place.', null=True)),
                ('effects', models.JSONField(default=list, help_text='What was answered: asset, returned, charged, overage, balance, available.')),
            ],
            options={
                'ordering': ['-voided_at'],
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='distinctvalue',
            name='distinct_value_append_only',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='usagetotal',
            name='usage_total_moves_while_open',
        ),
        migrations.AddField(
            model_name='deadletter',
            name='is_backfill',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='deadletter',
            name='payload_hash',
            field=models.BinaryField(help_text='Of what the integrator sent; whoever mends the event keeps it.', max_length=16, null=True),
        ),
        migrations.AddField(
            model_name='event',
            name='counted',
            field=models.JSONField(default=list, help_text='What it added to spend caps: cap, bucket, window_starts_at, amount.'),
        ),
        migrations.AddField(
            model_name='event',
            name='is_backfill',
            field=models.BooleanField(default=False, help_text='Old usage, reported late on purpose.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='distinctvalue',
            trigger=pgtrigger.compiler.Trigger(name='distinct_value_never_updated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='13f26d39b79f6660047afb2e15284c0fb2e85924', operation='UPDATE', pgid='pgtrigger_distinct_value_never_updated_b3662', table='metering_distinctvalue', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='distinctvalue',
            trigger=pgtrigger.compiler.Trigger(name='distinct_value_forgotten_until_invoiced', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                IF EXISTS (\n                    SELECT FROM metering_billingperiod period\n                    WHERE period.id = OLD.period_id AND period.invoiced_at IS NOT NULL\n                ) THEN\n                    RAISE EXCEPTION 'what an invoiced period has counted is kept'\n                        USING ERRCODE = 'integrity_constraint_violation';\n                END IF;\n                RETURN OLD;\n                ", hash='b668eb45c18948e1c6e554cbb1f4ada8b340c940', operation='DELETE', pgid='pgtrigger_distinct_value_forgotten_until_invoiced_45cd2', table='metering_distinctvalue', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usagetotal',
            trigger=pgtrigger.compiler.Trigger(name='usage_total_moves_until_invoiced', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n        IF EXISTS (\n            SELECT FROM changed\n            LEFT JOIN metering_billingperiod period ON period.id = changed.period_id\n            LEFT JOIN pricing_price price ON price.id = changed.price_id\n            WHERE period.invoiced_at IS NOT NULL\n                OR period.organization_id IS DISTINCT FROM changed.organization_id\n                OR price.organization_id IS DISTINCT FROM changed.organization_id\n        ) THEN\n            RAISE EXCEPTION 'usage is totalled in an open period of its own tenant'\n                USING ERRCODE = 'integrity_constraint_violation';\n        END IF;\n        RETURN NULL;\n        ", hash='b89b922e751218174fe2c4157f08d012b7330154', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_usage_total_moves_until_invoiced_61950', referencing='REFERENCING NEW TABLE AS changed ', table='metering_usagetotal', when='AFTER')),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='period',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='adjustments', to='metering.billingperiod'),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='price',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.price'),
        ),
        migrations.AddField(
            model_name='eventvoid',
            name='customer',
            field=models.ForeignKey(help_text='Whose event it was.', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.customer'),
        ),
        migrations.AddField(
            model_name='eventvoid',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='adjustment',
            name='void',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='adjustments', to='metering.eventvoid'),
        ),
        migrations.AddIndex(
            model_name='eventvoid',
            index=models.Index(fields=['organization', 'customer'], name='void_by_customer'),
        ),
        migrations.AddConstraint(
            model_name='eventvoid',
            constraint=models.UniqueConstraint(fields=('organization', 'id'), name='void_of_tenant'),
        ),
        migrations.AddConstraint(
            model_name='eventvoid',
            constraint=models.UniqueConstraint(fields=('organization', 'event_key'), name='one_void_per_event'),
        ),
        migrations.AddConstraint(
            model_name='eventvoid',
            constraint=models.CheckConstraint(condition=models.Q(('replacement_key', None), models.Q(('replacement_key', models.F('event_key')), _negated=True), _connector='OR'), name='void_replaced_by_another_event'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='eventvoid',
            trigger=pgtrigger.compiler.Trigger(name='event_void_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='07c6796a2232a8deccc827180ceef046434414b7', operation='UPDATE OR DELETE', pgid='pgtrigger_event_void_append_only_92f13', table='metering_eventvoid', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='eventvoid',
            trigger=pgtrigger.compiler.Trigger(name='event_void_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'event void is never truncated' USING ERRCODE = 'restrict_violation';", hash='1b1d3455a2fbe5fc5d6c6492d79cc54bf624113c', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_event_void_never_truncated_7129c', table='metering_eventvoid', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='eventvoid',
            trigger=pgtrigger.compiler.Trigger(name='void_of_an_event_of_its_customer', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                IF NOT EXISTS (\n                    SELECT FROM metering_event event\n                    WHERE event.organization_id = NEW.organization_id\n                        AND event.key = NEW.event_key AND event.customer_id = NEW.customer_id\n                ) THEN\n                    RAISE EXCEPTION 'an event is voided in its own tenant, as of its own customer'\n                        USING ERRCODE = 'integrity_constraint_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='08210efc668f86da29dadd9fef653fc05fa84893', operation='INSERT', pgid='pgtrigger_void_of_an_event_of_its_customer_62120', table='metering_eventvoid', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='adjustment',
            index=models.Index(fields=['organization', 'period'], name='adjustment_by_period'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.UniqueConstraint(fields=('organization', 'void', 'price', 'kind', 'cell'), name='one_adjustment_per_total'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('kind', ''), models.Q(('cell', ''), ('is_after_invoice', True)), _connector='OR'), name='adjustment_of_a_close_comes_after_it'),
        ),
        migrations.AddConstraint(
            model_name='adjustment',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000')), ('billable__lte', Decimal('100000000000000000000000000')), ('metered_amount__lte', Decimal('100000000000000000000000000')), ('overage__lte', Decimal('100000000000000000000000000')), ('quantity__lte', Decimal('100000000000000000000000000')), ('uncollected__lte', Decimal('100000000000000000000000000'))), name='adjustments_are_numbers'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='adjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='3bc928522794991765c248b817c1abaa6b22a791', operation='UPDATE OR DELETE', pgid='pgtrigger_adjustment_append_only_1ecb1', table='metering_adjustment', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='adjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'adjustment is never truncated' USING ERRCODE = 'restrict_violation';", hash='791fb8b7e523ff6ef2b04b054b48075bb2e66bdc', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_adjustment_never_truncated_4b73e', table='metering_adjustment', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='adjustment',
            trigger=pgtrigger.compiler.Trigger(name='adjustment_fits_its_period', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                IF EXISTS (\n                    SELECT FROM metering_billingperiod period\n                    WHERE period.id = NEW.period_id\n                        AND (period.invoiced_at IS NOT NULL) <> NEW.is_after_invoice\n                ) THEN\n                    RAISE EXCEPTION 'an adjustment says whether its period was invoiced before it'\n                        USING ERRCODE = 'integrity_constraint_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='897986bacd88de7225e22933a2b70ef990855d1c', operation='INSERT', pgid='pgtrigger_adjustment_fits_its_period_1629c', table='metering_adjustment', when='BEFORE')),
        ),
        same_tenant("metering_eventvoid", "customer_id", "accounts_customer"),
        same_tenant("metering_adjustment", "void_id", "metering_eventvoid"),
        same_tenant("metering_adjustment", "period_id", "metering_billingperiod"),
        same_tenant("metering_adjustment", "price_id", "pricing_price"),
    ]
