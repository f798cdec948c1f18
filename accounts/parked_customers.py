"""Parked customers: whoever's books were found to be wrong is not billed until somebody has looked.

Events and authorizations of a parked customer go on being decided and its periods go on being
closed, so that nothing is lost; only invoices wait. See decision 0024.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping

from django.db.models import Exists, OuterRef

from accounts import identifiers, tenancy
from accounts.models import CreditAccount, Organization, Parking, ProofRun, TenantQuerySet, User

REASON_LENGTH_MAX = 500


class NotParked(LookupError):
    """There is no such parking, or it is over."""


class ReasonMissing(ValueError):
    """Nobody is let go without a reason, of at most 500 characters."""


def park(*, run: ProofRun, promises: Mapping[uuid.UUID, str], at: dt.datetime) -> None:
    """Park customers of the run's organization, each for the promise given; who is stays so.

    Takes the locks of their accounts first, as invoicing does, so no invoice is half built by
    then. Raises TransactionManagementError outside a transaction.
    """
    organization_id = run.organization_id
    lock_accounts(organization_id=organization_id, customer_ids=promises.keys())
    Parking.objects.bulk_create(
        (
            Parking(
                id=identifiers.new_id(),
                organization_id=organization_id,
                customer_id=customer_id,
                run=run,
                promise=promise,
                parked_at=at,
            )
            for customer_id, promise in sorted(promises.items())
        ),
        ignore_conflicts=True,
    )


def let_go(
    *,
    organization: Organization,
    parking_id: uuid.UUID,
    reason: str,
    by: User,
    at: dt.datetime,
) -> Parking:
    """Bill a parked customer again, and keep who said so and why.

    The next run parks it again if its books are still wrong. Raises NotParked, ReasonMissing.
    """
    reason = reason.replace("\0", "").strip()
    if not reason or len(reason) > REASON_LENGTH_MAX:
        raise ReasonMissing
    with tenancy.transaction_for(organization.id):
        parking = current(organization.id).filter(id=parking_id).first()
        if parking is None:
            raise NotParked(str(parking_id))
        lock_accounts(organization_id=organization.id, customer_ids=[parking.customer_id])
        ended = current(organization.id).filter(id=parking_id)
        if not ended.update(let_go_at=at, let_go_by=by, let_go_reason=reason):
            raise NotParked(str(parking_id))
        parking.refresh_from_db()
    return parking


def current(organization_id: uuid.UUID) -> TenantQuerySet[Parking]:
    """Return the parkings that are not over."""
    return Parking.objects.for_organization(organization_id).filter(let_go_at=None)


def customer_is_parked(customer: str = "customer") -> Exists:
    """Return a condition on rows of a tenant that have a customer in the column named."""
    parked = Parking.objects.filter(
        organization=OuterRef("organization"), customer=OuterRef(customer), let_go_at=None
    )
    return Exists(parked)


def is_parked(*, organization_id: uuid.UUID, customer_id: uuid.UUID) -> bool:
    """Whether the customer is parked now; under its accounts' locks, whether it stays so."""
    return current(organization_id).filter(customer=customer_id).exists()


def lock_accounts(*, organization_id: uuid.UUID, customer_ids: Collection[uuid.UUID]) -> None:
    """Lock all accounts of these customers, in one statement, sorted."""
    accounts = CreditAccount.objects.for_organization(organization_id)
    locked = accounts.filter(customer__in=customer_ids).order_by("id")
    list(locked.select_for_update(no_key=True).values_list("id"))
