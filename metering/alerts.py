"""Spend alerts: decided with the debit, in its transaction; delivered later by a worker.

A worker may die between sending a mail and noting it, so a mail can arrive twice, always under
the firing's one id. It can never be lost: the firing stays undelivered until it is noted.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core import mail
from django.db import transaction

from accounts import identifiers, money, set_statements
from accounts.books import Book, EntryState
from accounts.money import ZERO
from metering.models import AlertFiring
from metering.thresholds import Move, downward_crossings, net_crossings

ATTEMPTS_MAX = 20


def decide(
    books: Collection[Book], *, organization_id: uuid.UUID, at: dt.datetime, as_one: bool = False
) -> int:
    """Write a firing for each crossing in the entries of locked `books`, not yet posted.

    With `as_one` the entries of an account count as a single move. Returns how many. Must run in
    the transaction that posts the entries.
    """
    crossings = net_crossings if as_one else downward_crossings
    moved = {book.account_id: book for book in books if book.entries}
    firings = []
    for alert_id, account_id, threshold in _active_alerts(organization_id, moved):
        moves = list(_moves(moved[account_id].entries))
        firings += [
            AlertFiring(
                id=identifiers.new_id(),
                organization_id=organization_id,
                alert_id=alert_id,
                account_id=account_id,
                epoch=move.version,
                balance=move.balance_after,
                fired_at=at,
            )
            for move in crossings(moves, threshold=threshold)
        ]
    if firings:
        AlertFiring.objects.bulk_create(firings)
    return len(firings)


_BROUGHT_BY_TIME = ("grant", "expiry")


def _moves(entries: Iterable[EntryState]) -> Iterator[Move]:
    """Yield how the balance moved. What time brings at once is one move.

    The credit of a new month comes while that of the old one expires, and between the two the
    balance is what it never was to anybody.
    """
    for at_once, group in groupby(entries, key=lambda entry: entry.kind in _BROUGHT_BY_TIME):
        run = list(group)
        for entries_of_move in [run] if at_once else [[entry] for entry in run]:
            *_, last = entries_of_move
            amount = sum((entry.amount for entry in entries_of_move), ZERO)
            yield Move(last.account_version, amount, last.balance_after)


def _active_alerts(
    organization_id: uuid.UUID, account_ids: Collection[uuid.UUID]
) -> Collection[tuple[uuid.UUID, uuid.UUID, Decimal]]:
    if not account_ids:
        return []
    rows: Collection[tuple[Any, ...]] = set_statements.read(
        _ACTIVE, organization_id, set_statements.array(account_ids)
    )
    return [(alert_id, account_id, threshold) for alert_id, account_id, threshold in rows]


_ACTIVE = """
SELECT id, account_id, threshold FROM metering_spendalert
WHERE organization_id = %s AND account_id = ANY(%s::uuid[]) AND is_active
"""


def deliver_due(*, at: dt.datetime, limit: int = 100) -> int:
    """Mail undelivered firings, oldest first; returns how many were delivered.

    A firing is claimed by counting the attempt before the mail goes out, so two workers do not
    send it at once, and is tried again, later and later, when sending failed.
    """
    delivered = 0
    for firing_id in _claimable(at=at, limit=limit):
        firing = _claim(firing_id)
        if firing is not None:
            delivered += _deliver(firing, at=at)
    return delivered


def _claimable(*, at: dt.datetime, limit: int) -> list[uuid.UUID]:
    waiting = AlertFiring.objects.filter(delivered_at=None, attempts__lt=ATTEMPTS_MAX)
    rows = waiting.order_by("fired_at").values_list("id", "fired_at", "attempts")[: limit * 10]
    due = [
        firing_id
        for firing_id, fired_at, attempts in rows
        if not attempts or fired_at + dt.timedelta(seconds=15 * 2**attempts) <= at
    ]
    return due[:limit]


def _claim(firing_id: uuid.UUID) -> AlertFiring | None:
    with transaction.atomic():
        firing = (
            AlertFiring.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("alert", "account__customer", "account__asset", "organization")
            .filter(id=firing_id, delivered_at=None)
            .first()
        )
        if firing is not None:
            firing.attempts += 1
            firing.save(update_fields=["attempts"])
    return firing


def _deliver(firing: AlertFiring, *, at: dt.datetime) -> bool:
    message = _message(firing)
    try:
        message.send()
    except OSError as error:
        AlertFiring.objects.filter(id=firing.id).update(last_error=str(error)[:500])
        return False
    AlertFiring.objects.filter(id=firing.id).update(delivered_at=at, last_error="")
    return True


def _message(firing: AlertFiring) -> mail.EmailMessage:
    customer, asset = firing.account.customer, firing.account.asset
    balance = money.to_display(firing.balance, scale=asset.scale)
    threshold = money.to_display(firing.alert.threshold, scale=asset.scale)
    recipients = {customer.email} - {""} | set(
        customer.people.values_list("user__email", flat=True)
    )
    return mail.EmailMessage(
        subject=f"Your balance is {balance} {asset.code}",
        body=(
            f"Hello {customer},\n\n"
            f"your balance with {firing.organization} fell below {threshold} {asset.code}.\n"
            f"It was {balance} {asset.code} on {firing.fired_at:%d %B %Y at %H:%M} UTC.\n\n"
            f"See your usage: {settings.SITE_URL}/customers/{customer.id}/\n"
        ),
        to=sorted(recipients) or [settings.DEFAULT_FROM_EMAIL],
        headers={"Message-ID": f"<{firing.id}@drawdown>"},
    )
