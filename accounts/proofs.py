"""Proof runs: each run of the self-check is kept, with what it found about each organization.

A run begins by saying so in a row for every organization, and ends by finishing the rows. One that
is killed leaves them unfinished, which is told apart from one at work by when it last moved.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence

from django.db import connection, transaction
from django.db.models import Max, Min

from accounts import identifiers, parked_customers, tenancy
from accounts.checks import Difference
from accounts.models import Customer, Organization, ProofDifference, ProofRun

RUNS_KEPT = 1_000
"""An organization's newest; those that found something or parked somebody are kept for ever."""
DIFFERENCES_KEPT = 1_000
"""Of one run and organization; the run counts all of them."""

DEAD_AFTER = dt.timedelta(minutes=5)
INTERVAL = dt.timedelta(minutes=5)
FULL_PASS_PAUSE, ASKED_PASS_PAUSE = 20, 4
"""After a full pass none is made for so many times as long: by itself, and when people ask."""

# What was written at that moment may have been committed a little later, or by a slower clock.
_OVERLAP = dt.timedelta(minutes=10)
_LOCK = "drawdown.proofs"


class AlreadyRunning(Exception):
    """Another run of the self-check is at work."""


def start(*, at: dt.datetime, asked: bool = False) -> list[ProofRun]:
    """Begin a run and return its part for each organization, none if there is no organization.

    It looks at all of history when that is affordable (`full_pass_is_due`), else at what was
    written since. `asked` says that somebody waits for it. Raises AlreadyRunning.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_LOCK])
        if is_running(at=at):
            raise AlreadyRunning
        since = None if full_pass_is_due(at=at, asked=asked) else _checked_until()
        return ProofRun.objects.bulk_create(
            ProofRun(
                id=identifiers.new_id(),
                organization_id=organization_id,
                started_at=at,
                alive_at=at,
                since=since,
            )
            for organization_id in Organization.objects.order_by("id").values_list("id", flat=True)
        )


def is_running(*, at: dt.datetime) -> bool:
    """Whether a run is at work, for whichever organization."""
    return ProofRun.objects.filter(finished_at=None, alive_at__gt=at - DEAD_AFTER).exists()


def began_since(moment: dt.datetime) -> bool:
    """Whether any run began after `moment`."""
    return ProofRun.objects.filter(started_at__gt=moment).exists()


def full_pass_is_due(*, at: dt.datetime, asked: bool = False) -> bool:
    """Whether all of history is to be looked at again.

    A pass that takes no more than its share of the interval is run every time; a longer one waits
    until twenty times as long has gone by, or four times when somebody asks: whoever has mended
    something wants to see it.
    """
    last = _last_full_pass()
    if last is None:
        return True
    started_at, finished_at = last
    pause = (finished_at - started_at) * (ASKED_PASS_PAUSE if asked else FULL_PASS_PAUSE)
    return pause <= INTERVAL or at - finished_at >= pause


def keep_alive(runs: Collection[ProofRun], *, at: dt.datetime) -> None:
    """Say that the run is still at work."""
    ProofRun.objects.filter(id__in=[run.id for run in runs]).update(alive_at=at)


def finish(
    run: ProofRun,
    *,
    differences: Sequence[Difference],
    checks: int,
    looked_at: Mapping[str, int],
    events_replayed: int,
    totals_added_up: int,
    at: dt.datetime,
) -> None:
    """Write down what a run found about its organization, and park the customers it concerns."""
    first_broken: dict[uuid.UUID, str] = {}
    for each in differences:
        if each.customer_id is not None:
            first_broken.setdefault(each.customer_id, each.promise)
    with tenancy.transaction_for(run.organization_id):
        known = set(
            Customer.objects.for_organization(run.organization_id)
            .filter(id__in=first_broken)
            .values_list("id", flat=True)
        )
        parked_customers.park(
            run=run,
            promises={each: first_broken[each] for each in first_broken if each in known},
            at=at,
        )
        _keep_differences(run, differences, known=known)
        run.finished_at, run.alive_at = at, at
        run.checks = checks
        run.looked_at = dict(looked_at)
        run.events_replayed = events_replayed
        run.totals_added_up = totals_added_up
        run.differences = len(differences)
        run.save()
        _thin(run)


def _keep_differences(
    run: ProofRun, differences: Sequence[Difference], *, known: Collection[uuid.UUID]
) -> None:
    # A row may name a customer that is not there, which is what is wrong with it.
    ProofDifference.objects.bulk_create(
        ProofDifference(
            id=identifiers.new_id(),
            organization_id=run.organization_id,
            run=run,
            customer_id=each.customer_id if each.customer_id in known else None,
            promise=each.promise,
            subject=each.subject,
            detail=each.detail,
        )
        for each in differences[:DIFFERENCES_KEPT]
    )


def _thin(run: ProofRun) -> None:
    """Delete the organization's old runs that found nothing."""
    runs = ProofRun.objects.for_organization(run.organization_id)
    oldest_kept = runs.order_by("-started_at")[RUNS_KEPT - 1 : RUNS_KEPT].first()
    if oldest_kept is not None:
        runs.filter(started_at__lt=oldest_kept.started_at, differences=0).delete()


def _last_full_pass() -> tuple[dt.datetime, dt.datetime] | None:
    """Return when the newest full pass that finished began and ended."""
    unfinished = ProofRun.objects.filter(finished_at=None).values("started_at")
    finished = ProofRun.objects.filter(since=None).exclude(started_at__in=unfinished)
    newest = finished.order_by("-started_at").values_list("started_at", flat=True).first()
    if newest is None:
        return None
    ended = finished.filter(started_at=newest).aggregate(ended=Max("finished_at"))["ended"]
    return newest, ended


def _checked_until() -> dt.datetime | None:
    """Return from when on history has not been looked at, or was and was not right.

    The last full pass has shown what was wrong before it; a shorter one after it counts only when
    all it saw was right, so that what it found is found again.
    """
    last = _last_full_pass()
    if last is None:
        return None
    until = last[0]
    broken = ProofRun.objects.filter(started_at__gt=until, differences__gt=0)
    unfinished = ProofRun.objects.filter(started_at__gt=until, finished_at=None)
    wrong_from = [
        found
        for rows in (broken, unfinished)
        if (found := rows.aggregate(first=Min("started_at"))["first"]) is not None
    ]
    right = ProofRun.objects.filter(started_at__gt=until, finished_at__isnull=False)
    if wrong_from:
        right = right.filter(started_at__lt=min(wrong_from))
    newest = right.aggregate(newest=Max("started_at"))["newest"]
    return (newest or until) - _OVERLAP
