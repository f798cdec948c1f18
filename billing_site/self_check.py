"""The self-check: the audits of all floors in one, for the command, the schedule and the tests.

It lives at the front door because it reads across floors, and the books, which stand below, cannot
know of the events and invoices above them.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence

from accounts import audit as books_audit
from accounts import checks, proofs, tenancy
from accounts.checks import Difference
from accounts.models import ProofRun
from invoicing import audit as invoice_audit
from metering import audit as usage_audit
from metering import sample_audit

# What is promised, in the order in which one would explain it.
CHAPTERS = {
    "Balances and their ledger": (*books_audit.CHAIN, *books_audit.ACCOUNTS),
    "Grants": books_audit.GRANTS,
    "Holds": books_audit.HOLDS,
    "Events and usage": usage_audit.CHECKS,
    "Invoices": invoice_audit.CHECKS,
}
CHECKS = (*books_audit.CHECKS, *usage_audit.CHECKS, *invoice_audit.CHECKS)
COUNTS = books_audit.COUNTS | usage_audit.COUNTS | invoice_audit.COUNTS
SAMPLED = (sample_audit.CHARGED, sample_audit.ADDED_UP)

# However many organizations there are, a run replays about as many events in all.
_SAMPLED_IN_ALL, _SAMPLED_AT_LEAST = 20_000, 10
_ALIVE_EVERY = dt.timedelta(seconds=10)

type Clock = Callable[[], dt.datetime]


def differences() -> list[Difference]:
    """Check everything; an empty list is what is expected. Nothing is written down."""
    return checks.run(CHECKS)


def prove(*, clock: Clock, asked: bool = False) -> list[Difference]:
    """Run the self-check, keep what it found for each organization, and park whom it concerns.

    `asked` says that somebody waits for it (see `proofs.start`). Returns what it found, also of
    rows that belong to no organization there is. Raises proofs.AlreadyRunning.
    """
    runs = proofs.start(at=clock(), asked=asked)
    since = runs[0].since if runs else None
    alive = _Heart(runs, clock)
    found = checks.run(CHECKS, since=since, progress=alive.beat)
    counted = checks.count(_counts(since), since=since)
    by_organization: dict[uuid.UUID, list[Difference]] = defaultdict(list)
    for difference in found:
        by_organization[difference.organization_id].append(difference)
    for run in runs:
        alive.beat()
        with tenancy.transaction_for(run.organization_id):
            sample = sample_audit.check(
                organization_id=run.organization_id, seed=run.id, events=_sample_size(len(runs))
            )
        found += sample.differences
        proofs.finish(
            run,
            differences=[*by_organization[run.organization_id], *sample.differences],
            checks=_number_of_checks(since) + len(SAMPLED),
            looked_at=counted.get(run.organization_id, {}),
            events_replayed=sample.events,
            totals_added_up=sample.totals,
            at=clock(),
        )
    return found


def _sample_size(organizations: int) -> int:
    fair = max(_SAMPLED_AT_LEAST, _SAMPLED_IN_ALL // organizations)
    return min(sample_audit.EVENTS, fair)


def _counts(since: dt.datetime | None) -> dict[str, str]:
    looked_at = {check.over for check in CHECKS if since is None or check.is_light or check.recent}
    return {name: query for name, query in COUNTS.items() if name in looked_at}


def _number_of_checks(since: dt.datetime | None) -> int:
    return sum(since is None or check.is_light or bool(check.recent) for check in CHECKS)


class _Heart:
    """Says now and then that a run is still at work."""

    def __init__(self, runs: Sequence[ProofRun], clock: Clock) -> None:
        self._runs = runs
        self._clock = clock
        self._beaten_at = clock()

    def beat(self) -> None:
        now = self._clock()
        if now - self._beaten_at >= _ALIVE_EVERY:
            proofs.keep_alive(self._runs, at=now)
            self._beaten_at = now
