"""Proof runs: what each self-check has found about an organization, and whom it parked.

Rows here say nothing about money; they say whether what the other tables say of it adds up.
"""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models.customers import Customer
from accounts.models.organizations import TenantModel, User


class ProofRun(TenantModel):
    """One organization's part of one run of the self-check.

    All parts of a run start at the same moment. One that never finished has died, or is at work
    as long as `alive_at` moves.
    """

    started_at = models.DateTimeField()
    alive_at = models.DateTimeField(help_text="When the run was last known to be at work.")
    finished_at = models.DateTimeField(null=True)
    since = models.DateTimeField(
        null=True, help_text="From when on history was looked at; null for all of it."
    )
    checks = models.PositiveIntegerField(default=0, help_text="How many promises were checked.")
    looked_at = models.JSONField(default=dict, help_text="How many rows, by what they are.")
    events_replayed = models.PositiveIntegerField(default=0)
    totals_added_up = models.PositiveIntegerField(default=0)
    differences = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "started_at"], name="proof_run_once_per_organization"
            ),
            models.UniqueConstraint(fields=["organization", "id"], name="proof_run_of_tenant"),
            models.CheckConstraint(
                condition=Q(finished_at=None) | Q(finished_at__gte=F("started_at")),
                name="proof_run_finishes_after_start",
            ),
        ]
        indexes = [
            models.Index(fields=["started_at"], name="proof_run_by_time"),
            models.Index(
                fields=["alive_at"], condition=Q(finished_at=None), name="proof_run_unfinished"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}: {self.differences} differences"

    @property
    def is_full(self) -> bool:
        """Whether all of history was looked at."""
        return self.since is None


class ProofDifference(TenantModel):
    """One row that a run found to break a promise."""

    run = models.ForeignKey(ProofRun, on_delete=models.CASCADE, related_name="found")
    customer = models.ForeignKey(
        Customer, on_delete=models.CASCADE, null=True, related_name="+",
        help_text="Whom it concerns; null where it concerns nobody alone.",
    )  # fmt: skip
    promise = models.CharField(max_length=200)
    subject = models.TextField()
    detail = models.TextField()

    class Meta:
        ordering = ["promise", "subject"]

    def __str__(self) -> str:
        return f"{self.promise}: {self.subject}"


class Parking(TenantModel):
    """A time in which a customer is not billed, because its books were found to be wrong.

    It begins with a run and ends when somebody lets the customer go, and says why.
    """

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="parkings")
    run = models.ForeignKey(ProofRun, on_delete=models.PROTECT, related_name="parked")
    promise = models.CharField(max_length=200, help_text="The first that was broken.")
    parked_at = models.DateTimeField(default=timezone.now)
    let_go_at = models.DateTimeField(null=True)
    let_go_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    let_go_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-parked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "customer"],
                condition=Q(let_go_at=None),
                name="customer_parked_once_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(let_go_at=None, let_go_reason="")
                | (Q(let_go_at__isnull=False) & ~Q(let_go_reason="")),
                name="customer_let_go_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.promise}"
