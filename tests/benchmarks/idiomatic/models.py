"""Customers' accounts, events, ledger entries and running totals."""

from django.db import models


class ApiKey(models.Model):
    """Who may send events."""

    key = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.key[:8]


class Price(models.Model):
    """What 1,000 tokens cost, by model and speed."""

    model = models.CharField(max_length=50)
    speed = models.CharField(max_length=50)
    unit_amount = models.DecimalField(max_digits=38, decimal_places=12)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "speed"], name="price_once")]

    def __str__(self) -> str:
        return f"{self.model} {self.speed}"


class Account(models.Model):
    """A customer's balance."""

    customer = models.CharField(max_length=200, unique=True)
    balance = models.DecimalField(max_digits=38, decimal_places=12, default=0)

    def __str__(self) -> str:
        return self.customer


class Event(models.Model):
    """What was used, and what it cost."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="events")
    external_id = models.CharField(max_length=200, unique=True)
    type = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    properties = models.JSONField()
    quantity = models.DecimalField(max_digits=38, decimal_places=12)
    amount = models.DecimalField(max_digits=38, decimal_places=12)

    def __str__(self) -> str:
        return self.external_id


class LedgerEntry(models.Model):
    """A change of a balance."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries")
    event = models.OneToOneField(Event, on_delete=models.PROTECT)
    amount = models.DecimalField(max_digits=38, decimal_places=12)
    balance_after = models.DecimalField(max_digits=38, decimal_places=12)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.amount:+f}"


class UsageTotal(models.Model):
    """What an account has used of one price."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="totals")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, related_name="+")
    quantity = models.DecimalField(max_digits=38, decimal_places=12, default=0)
    amount = models.DecimalField(max_digits=38, decimal_places=12, default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "price"], name="total_once")]

    def __str__(self) -> str:
        return f"{self.quantity:f}"
