"""Spend alerts: a rule on a balance, and one firing for each time the balance crosses it."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import AmountField, CreditAccount, TenantModel, guards


class SpendAlert(TenantModel):
    """Warn when the posted balance of one account falls below a threshold."""

    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="alerts")
    threshold = AmountField(help_text="Fires when the balance goes from this or above to below.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-threshold"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "account", "threshold"],
                name="one_alert_per_account_and_threshold",
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="alert_of_tenant"),
            guards.not_nan("threshold", name="alert_threshold_is_a_number"),
        ]

    def __str__(self) -> str:
        return f"below {self.threshold:f}"


class AlertFiring(TenantModel):
    """One crossing. Written in the transaction that crossed, delivered afterwards by a worker.

    `epoch` is the version of the account at the ledger entry that crossed, so the same crossing
    can never fire twice.
    """

    alert = models.ForeignKey(SpendAlert, on_delete=models.PROTECT, related_name="firings")
    account = models.ForeignKey(CreditAccount, on_delete=models.PROTECT, related_name="+")
    epoch = models.BigIntegerField()
    balance = AmountField(help_text="The posted balance right after the crossing.")
    fired_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-fired_at"]
        indexes = [
            models.Index(
                fields=["fired_at"], condition=Q(delivered_at=None), name="firing_undelivered"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "alert", "account", "epoch"],
                name="one_firing_per_crossing",
            ),
            guards.not_nan("balance", name="firing_balance_is_a_number"),
        ]
        triggers = [*guards.never_deleted("alert firing")]

    def __str__(self) -> str:
        return f"{self.alert} at {self.balance:f}"
