"""Charge models that look at each event on its own: a share of a transaction, or a carried price.

They are additive: what an event costs is known when it comes. But two halves of an event do not
cost what the whole does, so unlike the models of `pricing.charge_models` they have no price of a
total apart from its events; their `cost` is that of one event of the whole quantity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from accounts import money
from accounts.money import ZERO
from pricing.charge_models import ONE, Graduated, Step, TermsInvalid, Tier, Usage, write_tiers


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentage:
    """A share of each transaction's amount, which is what the meter measures.

    `tiers` are graduated over the period's total: a tier's `unit_amount` is a percentage, its flat
    amount is due with the first amount above zero that enters it. `fixed_amount` is added for each
    event that is not free; an event that is not free costs no less than `minimum_per_event` and no
    more than `maximum_per_event`. An event is free while it is among the first `free_events` and
    the total stays within `free_amount`, whichever ends first; the event that crosses `free_amount`
    pays for what lies beyond. Free amounts count towards the tiers.
    """

    name: ClassVar[str] = "percentage"
    is_additive: ClassVar[bool] = True
    standing_cost: ClassVar[Decimal] = ZERO
    tiers: Sequence[Tier]
    fixed_amount: Decimal = ZERO
    minimum_per_event: Decimal | None = None
    maximum_per_event: Decimal | None = None
    free_events: int | None = None
    free_amount: Decimal | None = None
    shares: Graduated = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("fixed_amount", "minimum_per_event", "maximum_per_event", "free_amount"):
            amount = getattr(self, name)
            if amount is not None and amount < 0:
                raise TermsInvalid(name, "must be zero or more")
        if self.free_events is not None and self.free_events < 0:
            raise TermsInvalid("free_events", "must be zero or more")
        least, most = self.minimum_per_event, self.maximum_per_event
        if least is not None and most is not None and most < least:
            raise TermsInvalid("maximum_per_event", "must not be below minimum_per_event")
        shares = [
            Tier(tier.up_to, tier.unit_amount.scaleb(-2), tier.flat_amount) for tier in self.tiers
        ]
        object.__setattr__(self, "shares", Graduated(shares))

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return what one event of the whole quantity costs as the first of a period."""
        return self.charge(Usage(before=ZERO, quantity=quantity), size)

    def charge(self, usage: Usage, size: Decimal = ONE) -> Decimal:
        """Return what one event costs, to 12 places."""
        start = self._charged_from(usage, size)
        if start is None:
            return ZERO
        share = self._share_of(usage.after, size) - self._share_of(start, size)
        return money.quantize(self._within_bounds(share + self.fixed_amount))

    def _charged_from(self, usage: Usage, size: Decimal) -> Decimal | None:
        """Return the total from which the event is charged; None when all of it is free."""
        if self.free_events is None and self.free_amount is None:
            return usage.before
        if self.free_events is not None and usage.events_before >= self.free_events:
            return usage.before
        if self.free_amount is None:
            return None
        free_until = self.free_amount * size
        return None if usage.after <= free_until else max(usage.before, free_until)

    def _share_of(self, total: Decimal, size: Decimal) -> Decimal:
        # Rounded, so that the shares of a period's events add up to the share of its total.
        return money.quantize(self.shares.cost(total, size)) if total else ZERO

    def _within_bounds(self, amount: Decimal) -> Decimal:
        if self.minimum_per_event is not None:
            amount = max(amount, self.minimum_per_event)
        if self.maximum_per_event is not None:
            amount = min(amount, self.maximum_per_event)
        return amount

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return the free part, each tier's share, the fixed amount and what the bounds change."""
        start = self._charged_from(usage, size)
        if start is None:
            return [Step("free", usage.quantity / size, ZERO, ZERO, ZERO)]
        free = start - usage.before
        steps = [Step("free", free / size, ZERO, ZERO, ZERO)] if free else []
        charged = Usage(start, usage.after - start, opens=not start)
        if usage.after:
            steps += self.shares.steps(charged, size)
        if self.fixed_amount:
            steps.append(Step("each event", ONE, ZERO, self.fixed_amount, self.fixed_amount))
        amount = sum((step.amount for step in steps), ZERO)
        change = self._within_bounds(amount) - amount
        if change:
            bound = "minimum per event" if change > 0 else "maximum per event"
            steps.append(Step(bound, ZERO, ZERO, change, change))
        return steps

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        terms: dict[str, object] = {"charge_model": self.name}
        if len(self.tiers) == 1 and not self.tiers[0].flat_amount:
            terms["percentage"] = money.to_wire(self.tiers[0].unit_amount)
        else:
            terms["tiers"] = write_tiers(self.tiers, rate="percentage")
        if self.fixed_amount:
            terms["fixed_amount"] = money.to_wire(self.fixed_amount)
        for name in ("minimum_per_event", "maximum_per_event", "free_amount"):
            if (amount := getattr(self, name)) is not None:
                terms[name] = money.to_wire(amount)
        if self.free_events is not None:
            terms["free_events"] = str(self.free_events)
        return terms


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The event carries its price, which is charged times `multiplier`.

    The price is the event's property `amount_property`; without one it is the metered quantity.
    """

    name: ClassVar[str] = "dynamic"
    is_additive: ClassVar[bool] = True
    standing_cost: ClassVar[Decimal] = ZERO
    multiplier: Decimal = ONE
    amount_property: str = ""

    def __post_init__(self) -> None:
        if self.multiplier < 0:
            raise TermsInvalid("multiplier", "must be zero or more")

    def cost(self, quantity: Decimal, size: Decimal = ONE) -> Decimal:
        """Return what one event costs that carries `quantity / size` as its price."""
        return quantity * self.multiplier / size

    def charge(self, usage: Usage, size: Decimal = ONE) -> Decimal:
        """Return what one event costs, to 12 places."""
        return money.quantize(self._amount(usage, size))

    def _amount(self, usage: Usage, size: Decimal) -> Decimal:
        if usage.carried is None:
            return self.cost(usage.quantity, size)
        return usage.carried * self.multiplier

    def steps(self, usage: Usage, size: Decimal = ONE) -> list[Step]:
        """Return one line: the carried price at the multiplier."""
        carried = usage.quantity / size if usage.carried is None else usage.carried
        amount = self._amount(usage, size)
        return [Step("carried by the event", carried, self.multiplier, ZERO, amount)]

    def describe(self) -> dict[str, object]:
        """Return the model and its terms as the price form writes them."""
        terms: dict[str, object] = {
            "charge_model": self.name,
            "multiplier": money.to_wire(self.multiplier),
        }
        return terms | ({"amount_property": self.amount_property} if self.amount_property else {})
