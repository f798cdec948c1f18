"""What the proof page shows: whether the books are right, since when, and how that is known.

A run does not always look at all of history (see `accounts.proofs`), so the verdict rests on two:
the newest, and the newest that did.
"""

import datetime as dt
import hashlib
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import models

from accounts import parked_customers, proofs
from accounts.checks import Check
from accounts.models import Organization, Parking, ProofDifference, ProofRun
from billing_site import self_check
from metering import sample_audit

DIFFERENCES_SHOWN = 50
PARKED_SHOWN = 100
LET_GO_SHOWN = 5
RUNS_SHOWN = 60
_HISTORY = ("ledger entries", "events")
LATE_AFTER = 3 * proofs.INTERVAL


class Verdict(StrEnum):
    """What can be said of the books."""

    UNKNOWN = "unknown"
    RIGHT = "right"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseLine:
    """One promise: what broke it, how many rows were looked at, and when."""

    words: str
    broken: int
    looked_at: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Promises about one thing."""

    title: str
    promises: Sequence[PromiseLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMark:
    """One run in the history, drawn as a bar."""

    state: str
    words: str
    left: int
    top: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The newest runs, oldest first, and how many of them ended how."""

    marks: Sequence[RunMark]
    right: int
    broken: int
    dead: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPage:
    """Everything on the page that may change while somebody looks at it."""

    verdict: Verdict
    last: ProofRun | None
    full: ProofRun | None
    age: str
    full_age: str
    is_late: bool
    running: ProofRun | None
    died: ProofRun | None
    promises: int
    rows: str
    events_replayed: int
    differences: Sequence[ProofDifference]
    differences_total: int
    chapters: Sequence[Chapter]
    history: History
    parked: Sequence[Parking]
    parked_total: int
    let_go: Sequence[Parking]
    read_at: dt.datetime


def read(organization: Organization, *, at: dt.datetime) -> ProofPage:
    """Return the page of `organization` as of `at`."""
    runs = list(_runs(organization)[:RUNS_SHOWN])
    last = next((run for run in runs if run.finished_at), None)
    full = _last_full(organization)
    shown = {run.id for run in (last, full) if run is not None}
    found = _found(organization, shown)
    newest = runs[0] if runs else None
    parked = parked_customers.current(organization.id)
    return ProofPage(
        verdict=_verdict(last, full),
        last=last,
        full=full,
        age=age(last.finished_at, at=at) if last and last.finished_at else "",
        full_age=age(full.finished_at, at=at) if full and full.finished_at else "",
        is_late=last is not None and at - last.started_at > LATE_AFTER,
        running=newest if newest and _is_at_work(newest, at=at) else None,
        died=newest if newest and _is_dead(newest, at=at) else None,
        promises=len(self_check.CHECKS) + len(self_check.SAMPLED),
        rows=_rows(full),
        events_replayed=last.events_replayed if last else 0,
        differences=found[:DIFFERENCES_SHOWN],
        differences_total=_total(last, full, found),
        chapters=_chapters(last, full, found),
        history=_history(runs, at=at),
        parked=list(parked.select_related("customer").order_by("parked_at", "id")[:PARKED_SHOWN]),
        parked_total=parked.count(),
        let_go=_let_go_lately(organization),
        read_at=at,
    )


def _let_go_lately(organization: Organization) -> list[Parking]:
    ended = Parking.objects.for_organization(organization).filter(let_go_at__isnull=False)
    newest_first = ended.select_related("customer", "let_go_by").order_by("-let_go_at")
    return list(newest_first[:LET_GO_SHOWN])


def version(organization: Organization, *, at: dt.datetime) -> str:
    """Return a short text that changes whenever `read` would show something else.

    It costs four small queries, so that a page that polls is nearly free while nothing happens.
    """
    newest = _runs(organization).first()
    finished = _runs(organization).filter(finished_at__isnull=False).first()
    full = _last_full(organization)
    parked = parked_customers.current(organization.id).order_by("id").values_list("id", flat=True)
    state = (
        newest and (newest.id, newest.finished_at, _is_at_work(newest, at=at)),
        finished and finished.finished_at and (finished.id, age(finished.finished_at, at=at)),
        full and full.finished_at and age(full.finished_at, at=at),
        finished and at - finished.started_at > LATE_AFTER,
        list(parked[: PARKED_SHOWN + 1]),
    )
    return hashlib.blake2b(repr(state).encode(), digest_size=12).hexdigest()


def age(moment: dt.datetime, *, at: dt.datetime) -> str:
    """Say how long ago `moment` was, as exactly as anybody needs."""
    minutes = (at - moment) // dt.timedelta(minutes=1)
    if minutes < 1:
        return "less than a minute ago"
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            number = minutes // size
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    raise AssertionError("unreachable")


def _runs(organization: Organization) -> models.QuerySet[ProofRun]:
    return ProofRun.objects.for_organization(organization).order_by("-started_at")


def _last_full(organization: Organization) -> ProofRun | None:
    return _runs(organization).filter(since=None, finished_at__isnull=False).first()


def _found(organization: Organization, runs: Collection[uuid.UUID]) -> list[ProofDifference]:
    """Return what these runs found; what both of them found, once."""
    rows = ProofDifference.objects.for_organization(organization).filter(run__in=runs)
    once = {
        (row.promise, row.subject): row
        for row in rows.select_related("customer").order_by("promise", "subject")
    }
    return list(once.values())


def _verdict(last: ProofRun | None, full: ProofRun | None) -> Verdict:
    if last is None or full is None:
        return Verdict.UNKNOWN
    return Verdict.BROKEN if last.differences or full.differences else Verdict.RIGHT


def _total(last: ProofRun | None, full: ProofRun | None, found: Sequence[ProofDifference]) -> int:
    """Return how many rows are wrong, also those of which only the number was kept."""
    counted = [run.differences for run in (last, full) if run is not None]
    return max([len(found), *counted])


def _is_at_work(run: ProofRun, *, at: dt.datetime) -> bool:
    return run.finished_at is None and at - run.alive_at <= proofs.DEAD_AFTER


def _is_dead(run: ProofRun, *, at: dt.datetime) -> bool:
    return run.finished_at is None and not _is_at_work(run, at=at)


# The promises.


def _rows(full: ProofRun | None) -> str:
    """Say how much history the verdict rests on."""
    looked_at = full.looked_at if full is not None else {}
    return " and ".join(_counted(looked_at.get(rows, 0), rows) for rows in _HISTORY)


def _chapters(
    last: ProofRun | None, full: ProofRun | None, found: Iterable[ProofDifference]
) -> list[Chapter]:
    broken = Counter(each.promise for each in found)
    chapters = [
        Chapter(title=title, promises=[_promise(check, last, full, broken) for check in promised])
        for title, promised in self_check.CHAPTERS.items()
    ]
    sample = [
        PromiseLine(
            words=_sentence(promise),
            broken=broken[promise],
            looked_at=_counted(number, rows),
            how="every run, a new sample",
        )
        for promise, number, rows in (
            (sample_audit.CHARGED, last.events_replayed if last else 0, "events"),
            (sample_audit.ADDED_UP, last.totals_added_up if last else 0, "totals"),
        )
    ]
    return [*chapters, Chapter(title="Replayed from a sample", promises=sample)]


def _promise(
    check: Check, last: ProofRun | None, full: ProofRun | None, broken: Counter[str]
) -> PromiseLine:
    run, how = last, "every run"
    if not check.is_light:
        run, how = full, "full passes"
        if check.recent:
            how = "full passes, new ones every run"
    number = run.looked_at.get(check.over, 0) if run else 0
    return PromiseLine(
        words=_sentence(check.promise),
        broken=broken[check.promise],
        looked_at=_counted(number, check.over),
        how=how,
    )


def _counted(number: int, rows: str) -> str:
    one = rows.removesuffix("ies") + "y" if rows.endswith("ies") else rows.removesuffix("s")
    return f"{number:,} {one if number == 1 else rows}"


def _sentence(promise: str) -> str:
    return promise[:1].upper() + promise[1:]


# The history.

_STEP, _BAR, _HEIGHT, _LOW = 10, 7, 32, 14


def _history(runs: Sequence[ProofRun], *, at: dt.datetime) -> History:
    states = [(run, _state(run, at=at)) for run in reversed(runs)]
    counted = Counter(state for _, state in states)
    marks = [
        RunMark(
            state=state,
            words=f"{run.started_at:%-d %b, %H:%M}: {_words(run, state)}",
            left=place * _STEP,
            top=_HEIGHT - height,
            height=height,
        )
        for place, (run, state) in enumerate(states)
        for height in [_LOW if state in {"right", "running"} else _HEIGHT]
    ]
    return History(
        marks=marks,
        right=counted["right"],
        broken=counted["broken"],
        dead=counted["dead"],
        width=RUNS_SHOWN * _STEP,
    )


def _state(run: ProofRun, *, at: dt.datetime) -> str:
    if run.finished_at is not None:
        return "broken" if run.differences else "right"
    return "running" if _is_at_work(run, at=at) else "dead"


def _words(run: ProofRun, state: str) -> str:
    if state == "broken":
        return f"{run.differences:,} differences"
    return {"right": "no difference", "running": "running", "dead": "did not finish"}[state]
