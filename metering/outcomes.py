"""Outcomes: what became of one event, as the sender hears of it."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from accounts import ledger, money
from metering.event_drafts import EventDraft, FieldError, InvalidDraft
from metering.refusals import Refusal
from pricing.catalog import CatalogPrice
from pricing.rating import Rated

AUTHORIZATION_ENDED = "authorization_ended"


class Status(StrEnum):
    """What became of one event."""

    RECORDED = "recorded"
    REPLAYED = "replayed"
    BLOCKED = "blocked"
    CONFLICT = "conflict"
    INVALID = "invalid"
    UNPRICED = "unpriced"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one event. `charges` as stored with it; `errors` say what to mend."""

    external_id: str | None
    status: Status
    charges: Sequence[dict[str, str]] = ()
    reason: str = ""
    detail: str = ""
    errors: Sequence[FieldError] = ()
    needed: dict[str, str] = msgspec.field(default_factory=dict)
    refusals: Sequence[dict[str, str]] = ()


def invalid(draft: InvalidDraft) -> Outcome:
    """Answer an event that cannot be recorded as it was sent."""
    return Outcome(
        external_id=draft.external_id,
        status=Status.INVALID,
        reason="invalid",
        detail="The event is not valid.",
        errors=draft.errors,
    )


def repeated(
    draft: EventDraft, *, payload_hash: bytes, charges: Sequence[dict[str, str]]
) -> Outcome:
    """Answer an event whose key is known: as the first time, or with a conflict."""
    if payload_hash == draft.payload_hash:
        return Outcome(external_id=draft.external_id, status=Status.REPLAYED, charges=charges)
    return Outcome(
        external_id=draft.external_id,
        status=Status.CONFLICT,
        reason="conflict",
        detail="Another event was recorded under this id; send a changed event under a new id.",
    )


def unknown_authorization(draft: EventDraft) -> Outcome:
    """Answer an event that names an authorization its customer does not have."""
    error = FieldError("authorization", "is not an authorization of this customer")
    return invalid(InvalidDraft(external_id=draft.external_id, errors=(error,)))


def ended_authorization(draft: EventDraft, *, state: str) -> Outcome:
    """Answer an event whose authorization has ended before it came."""
    return Outcome(
        external_id=draft.external_id,
        status=Status.CONFLICT,
        reason=AUTHORIZATION_ENDED,
        detail=f"The authorization is {state}; send the event without it, or under another one.",
    )


def blocked(draft: EventDraft, refusals: Sequence[Refusal]) -> Outcome:
    """Answer an event that may not go ahead; the first refusal is the binding one."""
    binding = refusals[0].to_wire()
    return Outcome(
        external_id=draft.external_id,
        status=Status.BLOCKED,
        reason=binding.pop("reason"),
        detail=binding.pop("detail"),
        needed=binding,
        refusals=[refusal.to_wire() for refusal in refusals],
    )


def charge(
    charged: Sequence[tuple[CatalogPrice, Rated]], paid: ledger.Debit | ledger.Captured
) -> dict[str, str]:
    """Return what an event was charged in one asset, as it is answered and stored.

    It says what is uncollected only when something is.
    """
    if len(charged) == 1:
        amount, [overage], [uncollected] = charged[0][1].amount, paid.overage, paid.uncollected
    else:
        amount = sum((each.amount for _, each in charged), money.ZERO)
        overage = sum(paid.overage, money.ZERO)
        uncollected = sum(paid.uncollected, money.ZERO)
    charges = {
        "asset": charged[0][0].asset_code,
        "amount": money.to_wire(amount),
        "overage": money.to_wire(overage) if overage else "0",
        "balance": money.to_wire(paid.balance),
        "available": money.to_wire(paid.available),
    }
    if uncollected:
        charges["uncollected"] = money.to_wire(uncollected)
    return charges
