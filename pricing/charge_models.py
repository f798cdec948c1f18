"""Charge models: what a quantity costs. One small class each, frozen, checked when it is made.

A quantity arrives as a pair, `quantity / size` units, and is divided once, at the very end, so that
sizes such as 3 lose nothing. An additive model answers `cost` for the whole of a period, in full
precision; what one event adds is the difference two totals make, each rounded to 12 places, so that
rating event by event adds up to rating the whole:

    charge(before -> after) = cost(after) - cost(before)

What zero units cost belongs to the period and not to an event. Tiers are bounded by `up_to`,
inclusive, in units; the last has no bound.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import ClassVar, NamedTuple, Protocol

from accounts import money
from accounts.money import ZERO

ONE = Decimal(1)


class TermsInvalid(ValueError):
    """The terms are no price; `field` names the one that is wrong, `reason` says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class Usage(NamedTuple):
    """One event, and where the running total stands before it; quantities as multiples of 1/size.

    `opens` says that what zero units cost is due with this event (a matrix cell used first).
    `carried` is the price the event itself brings, for the dynamic model.
    """

    before: Decimal
    quantity: Decimal
    events_before: int = 0
    opens: bool = False
    carried: Decimal | None = None

    @property
    def after(self) -> Decimal:
        """The running total with the event."""
        return self.before + self.quantity


class Step(NamedTuple):
    """One line of a working: so many units at a rate, plus a flat amount, make an amount."""

    label: str
    units: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    amount: Decimal


class ChargeModel(Protocol):
    """What rating needs of a charge model."""

    name: ClassVar[str]
    is_additive: ClassVar[bool]
    """Whether what an event adds is known when it comes; else the model settles at close."""

    @property
    def standing_cost(self) -> Decimal:
        """What a period costs in which nothing was used."""
        ...

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return the price of a period's `quantity / size` units, not rounded."""
        ...

    def charge(self, usage: Usage, size: Decimal = ONE) -> Decimal:
        """Return what one event adds, to 12 places."""
        ...

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Explain `charge` line by line; the amounts are not rounded."""
        ...

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        ...


class _ByTotal:
    """A model whose charge is the difference of two totals."""

    name: ClassVar[str]
    is_additive: ClassVar[bool] = True

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        raise NotImplementedError

    @property
    def standing_cost(self) -> Decimal:
        """What a period costs in which nothing was used."""
        return self.cost(ZERO)

    def charge(self, usage: Usage, size: Decimal = ONE) -> Decimal:
        """Return what one event adds, to 12 places."""
        before, quantity, _, opens, _ = usage
        after = money.quantize(self.cost(before + quantity, size))
        return after if opens else after - money.quantize(self.cost(before, size))


def _not_negative(**amounts: Decimal) -> None:
    for name, amount in amounts.items():
        if amount < 0:
            raise TermsInvalid(name, "must be zero or more")


@dataclass(frozen=True, slots=True)
class Flat(_ByTotal):
    """One amount for the period, whatever was used. `flat_amount` is in the price's asset."""

    name: ClassVar[str] = "flat"
    flat_amount: Decimal

    def __post_init__(self) -> None:
        _not_negative(flat_amount=self.flat_amount)

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return the flat amount, also for zero units."""
        return self.flat_amount

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return the flat amount where it is due, else nothing."""
        due = self.flat_amount if usage.opens else ZERO
        return [Step("flat", usage.quantity / size, ZERO, due, due)]

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        return {"charge_model": self.name, "flat_amount": money.to_wire(self.flat_amount)}


@dataclass(frozen=True, slots=True)
class PerUnit(_ByTotal):
    """Every unit at the same amount. `unit_amount` is in the price's asset, zero or more."""

    name: ClassVar[str] = "per_unit"
    unit_amount: Decimal

    def __post_init__(self) -> None:
        _not_negative(unit_amount=self.unit_amount)

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return units times the amount; multiplied first and divided once."""
        return quantity * self.unit_amount / size

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return one line."""
        amount = usage.quantity * self.unit_amount / size
        return [Step("all units", usage.quantity / size, self.unit_amount, ZERO, amount)]

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        return {"charge_model": self.name, "unit_amount": money.to_wire(self.unit_amount)}


@dataclass(frozen=True, slots=True)
class Package(_ByTotal):
    """An amount for every started block of `package_size` units; blocks count over the period."""

    name: ClassVar[str] = "package"
    unit_amount: Decimal
    package_size: Decimal = ONE

    def __post_init__(self) -> None:
        _not_negative(unit_amount=self.unit_amount)
        if self.package_size <= 0:
            raise TermsInvalid("package_size", "must be above zero")

    def _blocks(self, quantity: Decimal, size: Decimal) -> Decimal:
        # divmod is exact where a quotient such as 1/3 would not be.
        whole, rest = divmod(quantity, self.package_size * size)
        return whole + 1 if rest else whole

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return the started blocks times the amount."""
        return self._blocks(quantity, size) * self.unit_amount

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return the blocks this event starts; one it only goes on with is paid already."""
        blocks = self._blocks(usage.after, size) - self._blocks(usage.before, size)
        amount = blocks * self.unit_amount
        return [Step("started blocks", blocks, self.unit_amount, ZERO, amount)]

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        return {
            "charge_model": self.name,
            "unit_amount": money.to_wire(self.unit_amount),
            "package_size": money.to_wire(self.package_size),
        }


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: units up to and including `up_to` (None: all that follow), and what they cost.

    `unit_amount` is the rate: an amount for each unit, or for the percentage model a percentage.
    """

    up_to: Decimal | None
    unit_amount: Decimal = ZERO
    flat_amount: Decimal = ZERO


class _Scale(NamedTuple):
    """Where tiers end and start when a unit is 1/size."""

    size: Decimal
    bounds: tuple[Decimal, ...]
    starts: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class _Tiered(_ByTotal):
    """What all models with tiers share: checked bounds, and finding the tier of a quantity."""

    tiers: Sequence[Tier]
    _scale: _Scale = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.tiers:
            raise TermsInvalid("tiers", "needs at least one tier")
        bounds = tuple(_checked_bounds(self.tiers))
        object.__setattr__(self, "_scale", _Scale(ONE, bounds, (ZERO, *bounds)))
        for number, tier in enumerate(self.tiers):
            for name in ("unit_amount", "flat_amount"):
                if getattr(tier, name) < 0:
                    raise TermsInvalid(f"tiers[{number}].{name}", "must be zero or more")

    def _scaled(self, size: Decimal) -> _Scale:
        """Return the bounds for a size, and keep them: a price has mostly one."""
        scale = self._scale
        if scale.size != size:
            bounds = tuple([tier.up_to * size for tier in self.tiers if tier.up_to is not None])
            scale = _Scale(size, bounds, (ZERO, *bounds))
            object.__setattr__(self, "_scale", scale)
        return scale

    def _tier_of(self, quantity: Decimal, size: Decimal) -> int:
        return bisect_left(self._scaled(size).bounds, quantity)

    def _label(self, index: int) -> str:
        lower = self.tiers[index - 1].up_to or ZERO if index else ZERO
        upper = self.tiers[index].up_to
        if upper is None:
            return f"tier {index + 1}: above {money.to_wire(lower)}"
        return f"tier {index + 1}: {money.to_wire(lower)} to {money.to_wire(upper)}"

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        return {"charge_model": self.name, "tiers": write_tiers(self.tiers)}


def _checked_bounds(tiers: Sequence[Tier]) -> Iterator[Decimal]:
    *bounded, last = tiers
    if last.up_to is not None:
        raise TermsInvalid(
            f"tiers[{len(bounded)}].up_to", "must be null: nothing prices what lies above"
        )
    for number, tier in enumerate(bounded):
        if tier.up_to is None:
            raise TermsInvalid(f"tiers[{number}].up_to", "must be set: only the last is unbounded")
        if tier.up_to < 0:
            raise TermsInvalid(f"tiers[{number}].up_to", "must be zero or more")
        yield tier.up_to
    for number, (lower, upper) in enumerate(pairwise(bounded), start=1):
        if lower.up_to is None or upper.up_to is None or upper.up_to <= lower.up_to:
            raise TermsInvalid(f"tiers[{number}].up_to", "must be above that of the tier before")


def write_tiers(tiers: Sequence[Tier], *, rate: str = "unit_amount") -> list[dict[str, str | None]]:
    """Write tiers as the price form reads them; `rate` is what their rate is called, if any."""
    return [
        {"up_to": None if tier.up_to is None else money.to_wire(tier.up_to)}
        | ({rate: money.to_wire(tier.unit_amount)} if rate else {})
        | {"flat_amount": money.to_wire(tier.flat_amount)}
        for tier in tiers
    ]


@dataclass(frozen=True, slots=True)
class Graduated(_Tiered):
    """Each unit at the rate of the tier it falls in.

    A tier's flat amount is due once, when the tier is entered; the first tier's even at zero.
    """

    name: ClassVar[str] = "graduated"
    entered: tuple[Decimal, ...] = field(init=False, repr=False, compare=False)
    """What has been charged when a tier is entered: all tiers before it, and its flat amount."""

    def __post_init__(self) -> None:
        _Tiered.__post_init__(self)
        below, start, entered = ZERO, ZERO, []
        for tier in self.tiers:
            entered.append(below + tier.flat_amount)
            if tier.up_to is not None:
                below = entered[-1] + (tier.up_to - start) * tier.unit_amount
                start = tier.up_to
        object.__setattr__(self, "entered", tuple(entered))

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return what the full tiers below cost, plus the part of the tier reached."""
        _, bounds, starts = self._scaled(size)
        index = bisect_left(bounds, quantity)
        part = (quantity - starts[index]) * self.tiers[index].unit_amount
        return self.entered[index] + (part if size is ONE else part / size)

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return a line for each tier the event's units fall in."""
        first, last = self._tier_of(usage.before, size), self._tier_of(usage.after, size)
        return [
            self._step(index, usage, size, entered=index > first or (usage.opens and not index))
            for index in range(0 if usage.opens else first, last + 1)
        ]

    def _step(self, index: int, usage: Usage, size: Decimal, *, entered: bool) -> Step:
        tier = self.tiers[index]
        _, bounds, starts = self._scaled(size)
        start = max(usage.before, starts[index])
        end = min(usage.after, bounds[index]) if tier.up_to is not None else usage.after
        flat = tier.flat_amount if entered else ZERO
        units = max(end - start, ZERO)
        amount = flat + units * tier.unit_amount / size
        return Step(self._label(index), units / size, tier.unit_amount, flat, amount)


@dataclass(frozen=True, slots=True)
class VolumeTiers(_Tiered):
    """All units at the rate of the tier reached, plus its flat amount. Settles at close.

    The price of the whole can fall as usage grows, so no event knows what it adds.
    """

    name: ClassVar[str] = "volume_tiers"
    is_additive: ClassVar[bool] = False

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return all units at the rate of the tier that `quantity` reaches."""
        return self._step(self._tier_of(quantity, size), quantity, size).amount

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return one line: the whole total at the tier it reaches."""
        return [self._step(self._tier_of(usage.after, size), usage.after, size)]

    def step_at(self, units: Fraction, quantity: Decimal, size: Decimal = ONE) -> Step:
        """Return the line of `quantity` at the tier that a larger total, of `units`, reaches."""
        bounds = [Fraction(tier.up_to) for tier in self.tiers if tier.up_to is not None]
        return self._step(bisect_left(bounds, units), quantity, size)

    def _step(self, index: int, quantity: Decimal, size: Decimal) -> Step:
        tier = self.tiers[index]
        amount = quantity * tier.unit_amount / size + tier.flat_amount
        units = quantity / size
        return Step(self._label(index), units, tier.unit_amount, tier.flat_amount, amount)


@dataclass(frozen=True, slots=True)
class Stairstep(_Tiered):
    """One flat price for the tier reached. Settles at close."""

    name: ClassVar[str] = "stairstep"
    is_additive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _Tiered.__post_init__(self)
        for number, tier in enumerate(self.tiers):
            if tier.unit_amount:
                raise TermsInvalid(
                    f"tiers[{number}].unit_amount", "is not a term of a stairstep, which is flat"
                )

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return the flat amount of the tier that `quantity` reaches."""
        return self.tiers[self._tier_of(quantity, size)].flat_amount

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return one line: the step reached."""
        index = self._tier_of(usage.after, size)
        flat = self.tiers[index].flat_amount
        return [Step(self._label(index), usage.after / size, ZERO, flat, flat)]

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        return {"charge_model": self.name, "tiers": write_tiers(self.tiers, rate="")}
