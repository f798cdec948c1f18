"""Assets: what balances are counted in, and the field that keeps an amount of one."""

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q

from accounts import money
from accounts.models.organizations import TenantModel


class AmountField(models.DecimalField[Any, Decimal]):
    """An exact amount: NUMERIC(38,12)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = money.DIGITS
        kwargs["decimal_places"] = money.PLACES
        super().__init__(*args, **kwargs)


class Asset(TenantModel):
    """What balances are counted in: an ISO currency, or a unit of the organization's own."""

    code = models.CharField(max_length=32)
    name = models.CharField(max_length=100)
    scale = models.PositiveSmallIntegerField(
        help_text="Places of the minor unit: 2 for USD, 0 for JPY or whole credits."
    )
    is_currency = models.BooleanField(default=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "code"], name="asset_code_once_per_organization"
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="asset_of_tenant"),
            models.CheckConstraint(condition=Q(scale__lte=money.PLACES), name="asset_scale_fits"),
        ]

    def __str__(self) -> str:
        return self.code
