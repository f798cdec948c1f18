"""What periods are priced by and charged when they close, and what running totals need for it."""

import accounts.identifiers
import accounts.models.assets
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
import pricing.period_charges
from decimal import Decimal
from django.db import migrations, models

from accounts.models.guards import same_tenant


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_same_tenant'),
        ('metering', '0002_same_tenant'),
        ('pricing', '0002_same_tenant'),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE metering_event_position", "DROP SEQUENCE metering_event_position"
        ),
        migrations.CreateModel(
            name='DistinctValue',
            fields=[
                ('pk', models.CompositePrimaryKey('organization', 'period', 'price', 'value_hash', blank=True, editable=False, primary_key=True, serialize=False)),
                ('organization', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization')),
                ('period', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='metering.billingperiod')),
                ('price', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.price')),
                ('value_hash', models.UUIDField()),
            ],
        ),
        migrations.CreateModel(
            name='PeriodCharge',
            fields=[
                ('id', models.UUIDField(default=accounts.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[(pricing.period_charges.Kind['STANDING'], 'Standing'), (pricing.period_charges.Kind['USAGE'], 'Usage'), (pricing.period_charges.Kind['COMMITMENT'], 'Commitment'), (pricing.period_charges.Kind['MINIMUM'], 'Minimum')], max_length=16)),
                ('quantity', accounts.models.assets.AmountField(decimal_places=12, default=0, help_text="In the meter's raw units.", max_digits=38)),
                ('amount', accounts.models.assets.AmountField(decimal_places=12, max_digits=38)),
                ('overage', accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='The part no credit has paid, to be invoiced.', max_digits=38)),
                ('working', models.JSONField(default=list, help_text='The amount, tier by tier.')),
            ],
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='billingperiod',
            name='period_closes_once',
        ),
        migrations.RemoveConstraint(
            model_name='usagetotal',
            name='total_amounts_are_numbers',
        ),
        migrations.AddField(
            model_name='billingperiod',
            name='plan_version',
            field=models.ForeignKey(help_text='What the period is priced by, also when the subscription has moved on.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.planversion'),
        ),
        migrations.RunSQL(
            """
            UPDATE metering_billingperiod period SET plan_version_id = subscription.plan_version_id
            FROM pricing_subscription subscription
            WHERE subscription.id = period.subscription_id;
            SET CONSTRAINTS ALL IMMEDIATE;
            """,
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name='billingperiod',
            name='plan_version',
            field=models.ForeignKey(help_text='What the period is priced by, also when the subscription has moved on.', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.planversion'),
        ),
        migrations.AddField(
            model_name='event',
            name='position',
            field=models.BigIntegerField(db_default=models.Func(models.Value('metering_event_position'), function='nextval', output_field=models.BigIntegerField()), help_text="Rises in the order in which a customer's events were rated."),
        ),
        migrations.AddField(
            model_name='usagetotal',
            name='billable',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='The part of it that is not included.', max_digits=38),
        ),
        migrations.AddField(
            model_name='usagetotal',
            name='latest_at',
            field=models.DateTimeField(blank=True, help_text='When the newest of its events occurred.', null=True),
        ),
        migrations.AddField(
            model_name='usagetotal',
            name='metered_amount',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='What it costs before commitments and maximums, also if not charged.', max_digits=38),
        ),
        # Nothing was included and nothing bounded until now, so both follow from what there is.
        migrations.RunSQL(
            """
            ALTER TABLE metering_usagetotal DISABLE TRIGGER USER;
            UPDATE metering_usagetotal SET billable = quantity, metered_amount = amount;
            ALTER TABLE metering_usagetotal ENABLE TRIGGER USER;
            """,
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name='usagetotal',
            name='amount',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='What its events were charged.', max_digits=38),
        ),
        migrations.AlterField(
            model_name='usagetotal',
            name='overage',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='The part of the amount no credit has paid.', max_digits=38),
        ),
        migrations.AlterField(
            model_name='usagetotal',
            name='quantity',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text="The meter's running total, in raw units.", max_digits=38),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='billingperiod',
            trigger=pgtrigger.compiler.Trigger(name='period_closes_once', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                IF (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at)\n                    OR NEW.starts_at <> OLD.starts_at OR NEW.ends_at <> OLD.ends_at\n                    OR NEW.subscription_id <> OLD.subscription_id\n                    OR NEW.customer_id <> OLD.customer_id\n                    OR NEW.plan_version_id <> OLD.plan_version_id THEN\n                    RAISE EXCEPTION 'a billing period keeps its bounds and prices and closes once'\n                        USING ERRCODE = 'integrity_constraint_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='4ef1c048b0a86b0155e26b8467d0769e193d938d', operation='UPDATE', pgid='pgtrigger_period_closes_once_a6951', table='metering_billingperiod', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='usagetotal',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000')), ('billable__lte', Decimal('100000000000000000000000000')), ('metered_amount__lte', Decimal('100000000000000000000000000')), ('overage__lte', Decimal('100000000000000000000000000')), ('quantity__lte', Decimal('100000000000000000000000000'))), name='total_amounts_are_numbers'),
        ),
        migrations.AddField(
            model_name='periodcharge',
            name='organization',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.organization'),
        ),
        migrations.AddField(
            model_name='periodcharge',
            name='period',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='charges', to='metering.billingperiod'),
        ),
        migrations.AddField(
            model_name='periodcharge',
            name='price',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.price'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='distinctvalue',
            trigger=pgtrigger.compiler.Trigger(name='distinct_value_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='70ef74825e7976a5615e1fee668f8206affca516', operation='UPDATE OR DELETE', pgid='pgtrigger_distinct_value_append_only_30eff', table='metering_distinctvalue', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='distinctvalue',
            trigger=pgtrigger.compiler.Trigger(name='distinct_value_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'distinct value is never truncated' USING ERRCODE = 'restrict_violation';", hash='18b5f57110148ded7354bb4a2f5ef38cc6eaeead', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_distinct_value_never_truncated_441c1', table='metering_distinctvalue', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='distinctvalue',
            trigger=pgtrigger.compiler.Trigger(name='distinct_value_of_an_open_period', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                IF EXISTS (\n                    SELECT FROM (\n                        SELECT DISTINCT organization_id, period_id, price_id FROM inserted\n                    ) met\n                    LEFT JOIN metering_billingperiod period ON period.id = met.period_id\n                    LEFT JOIN pricing_price price ON price.id = met.price_id\n                    WHERE period.closed_at IS NOT NULL\n                        OR period.organization_id IS DISTINCT FROM met.organization_id\n                        OR price.organization_id IS DISTINCT FROM met.organization_id\n                ) THEN\n                    RAISE EXCEPTION 'values are counted in an open period of its own tenant'\n                        USING ERRCODE = 'integrity_constraint_violation';\n                END IF;\n                RETURN NULL;\n                ", hash='45e378eb0e6fa93ec4ac4dc46ae658c12ea9eb72', level='STATEMENT', operation='INSERT', pgid='pgtrigger_distinct_value_of_an_open_period_40787', referencing='REFERENCING NEW TABLE AS inserted ', table='metering_distinctvalue', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='periodcharge',
            constraint=models.UniqueConstraint(fields=('organization', 'period', 'price', 'kind'), name='one_period_charge_per_price_and_kind'),
        ),
        migrations.AddConstraint(
            model_name='periodcharge',
            constraint=models.CheckConstraint(condition=models.Q(('overage__gte', 0), ('overage__lte', models.F('amount'))), name='period_overage_within_amount'),
        ),
        migrations.AddConstraint(
            model_name='periodcharge',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000')), ('overage__lte', Decimal('100000000000000000000000000')), ('quantity__lte', Decimal('100000000000000000000000000'))), name='period_charges_are_numbers'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='periodcharge',
            trigger=pgtrigger.compiler.Trigger(name='period_charge_append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;", hash='5a02afb7e297a85868b61072a708058c64655dc3', operation='UPDATE OR DELETE', pgid='pgtrigger_period_charge_append_only_66b2d', table='metering_periodcharge', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='periodcharge',
            trigger=pgtrigger.compiler.Trigger(name='period_charge_never_truncated', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'period charge is never truncated' USING ERRCODE = 'restrict_violation';", hash='33c15887f75025839b900df21f42a441edf94ee9', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_period_charge_never_truncated_fd29b', table='metering_periodcharge', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='periodcharge',
            trigger=pgtrigger.compiler.Trigger(name='period_charge_of_a_closed_period', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                IF EXISTS (\n                    SELECT FROM metering_billingperiod period\n                    WHERE period.id = NEW.period_id\n                        AND (period.closed_at IS NULL OR period.invoiced_at IS NOT NULL)\n                ) THEN\n                    RAISE EXCEPTION 'a period is charged when it is closed and not invoiced yet'\n                        USING ERRCODE = 'integrity_constraint_violation';\n                END IF;\n                RETURN NEW;\n                ", hash='ec7d80e283434a8453a85d360145e8763420544a', operation='INSERT', pgid='pgtrigger_period_charge_of_a_closed_period_2bd77', table='metering_periodcharge', when='BEFORE')),
        ),
        same_tenant("metering_billingperiod", "plan_version_id", "pricing_planversion"),
        same_tenant("metering_periodcharge", "period_id", "metering_billingperiod"),
        same_tenant("metering_periodcharge", "price_id", "pricing_price"),
    ]
