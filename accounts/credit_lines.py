"""Credit lines: how far below zero balances may go, when a plan comes to say otherwise."""

from collections.abc import Collection
from decimal import Decimal

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from accounts import money
from accounts.models import Asset, CreditAccount, CreditGrant, Customer


def move_floor(*, customer: Customer, assets: Collection[Asset], floor: Decimal) -> None:
    """Make `floor` (zero or less) the credit line of the customer's accounts in `assets`.

    A line is drawn further at once. It is taken back only where nothing is owed below zero, nor
    reserved there; elsewhere the account keeps its line, and whoever charges it has to know that
    the plan allows less. Call it inside a transaction.
    """
    accounts = CreditAccount.objects.filter(
        organization=customer.organization_id, customer=customer, asset__in=assets
    )
    accounts.filter(floor__gt=floor).update(floor=floor)
    grants = CreditGrant.objects.filter(account=OuterRef("pk")).exclude(posted_at=None)
    untouched = Q(
        balance__gte=_sum_of(grants, "remaining"),  # Nothing is owed below zero,
        held__lte=_sum_of(grants, "held"),  # nor reserved there.
    )
    accounts.filter(untouched, floor__lt=floor).update(floor=floor)


def _sum_of(grants: QuerySet[CreditGrant], amount: str) -> Coalesce:
    total = grants.order_by().values("account").annotate(sum=Sum(amount)).values("sum")
    return Coalesce(Subquery(total), Value(money.ZERO))
