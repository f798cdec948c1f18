"""The part of a line that neither credit paid nor anybody is asked for."""

import accounts.models.assets
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_grants_can_be_voided'),
        ('invoicing', '0002_same_tenant'),
        ('pricing', '0006_costs'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='invoiceline',
            name='line_amounts_are_numbers',
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='uncollected',
            field=accounts.models.assets.AmountField(decimal_places=12, default=0, help_text='What of it neither credit paid nor anybody is asked for.', max_digits=38),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(('amount__lte', Decimal('100000000000000000000000000')), ('credits_applied__lte', Decimal('100000000000000000000000000')), ('quantity__lte', Decimal('100000000000000000000000000')), ('uncollected__lte', Decimal('100000000000000000000000000')), ('usage_amount__lte', Decimal('100000000000000000000000000'))), name='line_amounts_are_numbers'),
        ),
    ]
