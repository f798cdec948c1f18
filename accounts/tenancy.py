"""Tenancy: whose rows a transaction is about, and who may speak for which organization."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from accounts.models import Membership, TenantQuerySet, User


def act_for(organization_id: uuid.UUID) -> None:
    """Make the current transaction one about `organization_id`.

    The setting ends with the transaction, so it cannot leak to the next user of a pooled
    connection. Raises TransactionManagementError outside a transaction.
    """
    transaction.get_connection().validate_no_broken_transaction()
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("act_for() needs a transaction")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('drawdown.organization', %s, true)", [str(organization_id)]
        )


@contextmanager
def transaction_for(organization_id: uuid.UUID) -> Iterator[None]:
    """Open a transaction (or a savepoint in one) that acts for `organization_id`."""
    with transaction.atomic():
        act_for(organization_id)
        yield


@contextmanager
def recording_for(organization_id: uuid.UUID) -> Iterator[None]:
    """Open a transaction as `transaction_for` does, in which rows are only looked up by indexes.

    What is recorded looks at single rows of large tables, in guards as well as here. A plan is
    kept as long as its connection, and one that was made when a table was nearly empty reads all
    of it ever after: it has made a trigger a hundred times slower.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ACT_BY_INDEX, [str(organization_id)])
        yield


_ACT_BY_INDEX = """
SELECT set_config('drawdown.organization', %s, true), set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
"""


@contextmanager
def one_moment_for(organization_id: uuid.UUID, *, read_only: bool) -> Iterator[None]:
    """Open a transaction for `organization_id` in which all reads see one moment.

    With `read_only` the database refuses every write. Inside a transaction this one is part of
    it and sees what its caller has chosen to see. What it changes may be refused with a
    serialization failure, when somebody else has changed it since that moment.
    """
    if connection.in_atomic_block:
        with transaction_for(organization_id):
            yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            only = ", READ ONLY" if read_only else ""
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ{only}")
        act_for(organization_id)
        yield


def memberships_of(user: User) -> TenantQuerySet[Membership]:
    """Return the person's places in organizations, by name of the organization."""
    return (
        Membership.objects.filter(user=user, user__is_active=True)
        .select_related("organization")
        .order_by("organization__name")
    )
