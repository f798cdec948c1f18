"""API keys: what an integrator's server proves itself with."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from accounts.models.organizations import TenantModel


class Scope(models.TextChoices):
    """What a key allows."""

    EVENTS_WRITE = "events:write", "Record events"
    CUSTOMERS_WRITE = "customers:write", "Create and change customers, grants and subscriptions"
    READ = "read", "Read everything"
    ADMIN = "admin", "Everything"


class ApiKey(TenantModel):
    """A bearer key. The key itself is shown once and never stored; its SHA-256 is."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False)
    key_hash = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "id"], name="api_key_of_tenant"),
            models.CheckConstraint(
                condition=models.Q(scopes__len__gt=0), name="api_key_allows_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_live(self) -> bool:
        """Whether the key still opens the door."""
        return self.revoked_at is None

    def allows(self, scope: str) -> bool:
        """Whether the key carries `scope`, or `admin`, which carries them all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes
