"""Stored answers: what a request with an Idempotency-Key was answered, for when it comes again."""

from django.db import models
from django.utils import timezone

from accounts.models import guards
from accounts.models.organizations import TenantModel


class StoredAnswer(TenantModel):
    """The answer to one request, written in the transaction that did what was asked."""

    key = models.CharField(max_length=255)
    fingerprint = models.UUIDField(help_text="A hash of method, address and body.")
    status = models.PositiveSmallIntegerField()
    content = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "key"], name="one_answer_per_idempotency_key"
            ),
        ]
        triggers = guards.append_only("stored answer")

    def __str__(self) -> str:
        return f"{self.status} for {self.key}"
