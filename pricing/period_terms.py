"""What surrounds a charge model: how raw quantities become units, and what a period costs at least
and at most.

    raw quantity -> each event rounded -> included units taken off -> units, the total rounded
    -> charge model -> commitment -> maximum -> at the close: commitment and minimum made up for
"""

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import NamedTuple

from accounts.money import ZERO
from pricing.charge_models import ONE, TermsInvalid

PLACES_MAX = 12
SIZE_MAX = Decimal(10) ** 15


class Rounding(StrEnum):
    """What becomes of a part of a unit."""

    NONE = "none"
    UP = "up"
    DOWN = "down"
    HALF_UP = "half_up"


class RoundingScope(StrEnum):
    """Whether each event is rounded, or the total of the period."""

    TOTAL = "total"
    EVENT = "event"


_MODES = {
    Rounding.UP: ROUND_CEILING,
    Rounding.DOWN: ROUND_FLOOR,
    Rounding.HALF_UP: ROUND_HALF_UP,
}


class Units(NamedTuple):
    """`quantity / size` units, not divided yet."""

    quantity: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """How raw quantities become units: divided by `unit_size`, rounded to `places`."""

    unit_size: Decimal = ONE
    rounding: Rounding = Rounding.NONE
    places: int = 0
    scope: RoundingScope = RoundingScope.TOTAL
    rounds_totals: bool = field(init=False, repr=False, compare=False)
    rounds_events: bool = field(init=False, repr=False, compare=False)
    _last_place: Decimal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.unit_size < SIZE_MAX:
            raise TermsInvalid("unit_size", "must be above zero and have at most 15 digits")
        if not 0 <= self.places <= PLACES_MAX:
            raise TermsInvalid("rounding_places", f"must be from 0 to {PLACES_MAX}")
        object.__setattr__(self, "_last_place", ONE.scaleb(-self.places))
        rounds, scope = self.rounding is not Rounding.NONE, self.scope
        object.__setattr__(self, "rounds_totals", rounds and scope is RoundingScope.TOTAL)
        object.__setattr__(self, "rounds_events", rounds and scope is RoundingScope.EVENT)
        if self.rounds_events and self.places + _places(self.unit_size) > PLACES_MAX:
            raise TermsInvalid(
                "rounding_places",
                f"and those of unit_size are at most {PLACES_MAX} together, so that what an event "
                "counts for can be kept exactly",
            )

    def of_event(self, raw: Decimal) -> Decimal:
        """Return the raw quantity that an event counts for: itself, or whole units of it."""
        return self.rounded(raw) * self.unit_size if self.rounds_events else raw

    def of_total(self, raw: Decimal, *, divisor: Decimal = ONE) -> Units:
        """Return a period's total, `raw / divisor`, in units."""
        if not self.rounds_totals:
            return Units(raw, self.unit_size * divisor)
        return Units(self.rounded(raw, divisor=divisor), ONE)

    def rounded(self, raw: Decimal, *, divisor: Decimal = ONE) -> Decimal:
        """Return `raw / divisor` in units, rounded as the price says."""
        # Half way cases end after few digits, so the quotient, kept to 100, is exact in them.
        units = raw / (self.unit_size if divisor is ONE else self.unit_size * divisor)
        return units.quantize(self._last_place, rounding=_MODES[self.rounding])


def _places(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """Spend the customer has agreed to. What exceeds it costs `overage_factor` times as much.

    With `true_up`, a period that spends less is charged the rest when it closes.
    """

    amount: Decimal
    overage_factor: Decimal = ONE
    true_up: bool = True

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise TermsInvalid("commitment.amount", "must be zero or more")
        if self.overage_factor < 0:
            raise TermsInvalid("commitment.overage_factor", "must be zero or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodBounds:
    """What a price charges in a period at least and at most, over all its cells, in its asset."""

    commitment: Commitment | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    are_open: bool = field(init=False, repr=False, compare=False)
    """Whether usage is charged as it is metered, however much it is."""

    def __post_init__(self) -> None:
        for name, amount in (("minimum_amount", self.minimum), ("maximum_amount", self.maximum)):
            if amount is not None and amount < 0:
                raise TermsInvalid(name, "must be zero or more")
        if self.minimum is not None and self.maximum is not None and self.maximum < self.minimum:
            raise TermsInvalid("maximum_amount", "must not be below minimum_amount")
        object.__setattr__(self, "are_open", self.commitment is None and self.maximum is None)

    def charged(self, metered: Decimal) -> Decimal:
        """Return what a period is charged so far for usage that costs `metered` by itself."""
        amount = metered
        if self.commitment is not None and amount > self.commitment.amount:
            beyond = amount - self.commitment.amount
            amount = self.commitment.amount + beyond * self.commitment.overage_factor
        if self.maximum is not None:
            amount = min(amount, self.maximum)
        return amount

    def true_ups(self, charged: Decimal) -> tuple[Decimal, Decimal]:
        """Return what the close adds for the commitment, and then for the minimum."""
        committed = ZERO
        if self.commitment is not None and self.commitment.true_up:
            committed = max(self.charged(self.commitment.amount) - charged, ZERO)
        least = ZERO
        if self.minimum is not None:
            least = max(self.minimum - charged - committed, ZERO)
        return committed, least
