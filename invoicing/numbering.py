"""Invoice numbers: 1, 2, 3 … per organization and series, without a gap and without a double."""

import uuid

from django.db import transaction

from invoicing.models import NumberSeries


def next_number(*, organization_id: uuid.UUID, prefix: str) -> int:
    """Return the next number of the series, held until the transaction ends.

    A rollback gives the number back, so the caller must use it in this very transaction. Raises
    TransactionManagementError outside one.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("next_number() needs a transaction")
    NumberSeries.objects.get_or_create(organization_id=organization_id, prefix=prefix)
    series = NumberSeries.objects.select_for_update(no_key=True).get(
        organization_id=organization_id, prefix=prefix
    )
    series.last_number += 1
    series.save(update_fields=["last_number"])
    return series.last_number
