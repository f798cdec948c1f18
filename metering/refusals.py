"""Refusals: why work may not go ahead, each reason told, the binding one first."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from accounts import money
from accounts.money import ZERO
from metering.spend_caps import CapRefusal


class Reason(StrEnum):
    """What stands in the way, in the order in which it is told: the last two by how much lacks."""

    USAGE_STOPPED = "usage_stopped"
    NOT_ENTITLED = "not_entitled"
    LIMIT_REACHED = "limit_reached"
    SPEND_CAP = "spend_cap"
    INSUFFICIENT_CREDIT = "insufficient_credit"


_BY_LACK = (Reason.SPEND_CAP, Reason.INSUFFICIENT_CREDIT)
_ORDER = {reason: place for place, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason. `needed` and `available` are in `asset`, or in a meter's units for some caps.

    `limit` names what is binding: a cap's id, or an entitlement's feature. `field` says which of
    several events is refused.
    """

    reason: Reason
    detail: str
    asset: str = ""
    needed: Decimal | None = None
    available: Decimal | None = None
    limit: str = ""
    field: str = ""

    @property
    def lack(self) -> Decimal:
        """How much more there would have to be."""
        return (self.needed or ZERO) - (self.available or ZERO)

    def to_wire(self) -> dict[str, str]:
        """Return the reason as it is answered, without what does not apply."""
        figures = {"needed": self.needed, "available": self.available}
        written = {name: money.to_wire(each) for name, each in figures.items() if each is not None}
        texts = {"asset": self.asset, "limit": self.limit, "field": self.field}
        return (
            {"reason": str(self.reason), "detail": self.detail}
            | {name: text for name, text in texts.items() if text}
            | written
        )


def in_order(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Return the refusals with the binding one first.

    What forbids the work altogether comes before what lacks room, and of that the greatest lack.
    """
    return sorted(
        refusals,
        key=lambda each: (
            (1, -each.lack, _ORDER[each.reason])
            if each.reason in _BY_LACK
            else (0, ZERO, _ORDER[each.reason])
        ),
    )


def of_cap(refusal: CapRefusal, *, asset: str) -> Refusal:
    """Return the refusal of a spend cap; `asset` is a code, "" when it counts units."""
    cap = refusal.cap
    whose = f" for {cap.property_name} {refusal.bucket}" if cap.property_name else ""
    what = asset or f"of {cap.meter}"
    span = "for one request" if cap.window == "request" else f"a {cap.window}"
    return Refusal(
        reason=Reason.SPEND_CAP,
        detail=f"The cap{whose} is {money.to_wire(cap.limit)} {what} {span}; "
        f"{money.to_wire(refusal.needed)} is needed and {money.to_wire(refusal.left)} is left.",
        asset=asset,
        needed=refusal.needed,
        available=refusal.left,
        limit=str(cap.id),
    )


def of_credit(
    *, asset: str, needed: Decimal, available: Decimal, what: str = "The event costs"
) -> Refusal:
    """Return the refusal of a balance."""
    return Refusal(
        reason=Reason.INSUFFICIENT_CREDIT,
        detail=f"{what} {money.to_wire(needed)} {asset} and {money.to_wire(available)} is "
        "available.",
        asset=asset,
        needed=needed,
        available=available,
    )


def of_stop() -> Refusal:
    """Return the refusal of a customer who has stopped all usage."""
    return Refusal(
        reason=Reason.USAGE_STOPPED,
        detail="Usage of this customer is stopped until somebody lets it go on.",
    )
