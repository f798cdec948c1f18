"""Credit lines: how far below zero balances may go, when a plan comes to say otherwise."""

from collections.abc import Collection
from decimal import Decimal

from django.db.models import F, OuterRef, Q, Subquery, Sum, Value
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
    left = CreditGrant.objects.filter(account=OuterRef("pk")).exclude(posted_at=None)
    left_in_all = left.order_by().values("account").annotate(sum=Sum("remaining")).values("sum")
    nothing_owed = Q(balance__gte=Coalesce(Subquery(left_in_all), Value(money.ZERO)))
    accounts.filter(nothing_owed, floor__lt=floor, balance__gte=F("held")).update(floor=floor)
