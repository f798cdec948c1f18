"""Another reading of the price rules, to compare the engine with: slow, plain, in fractions.

Written from the rules and not from the engine: nothing is carried from one event to the next, every
figure is worked out from all events so far, and nothing is rounded but where a rule says so. It
takes definitions that are known to be right, and says what each event is metered at and charged,
and what the close asks for.
"""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property, lru_cache
from math import ceil, floor
from typing import Any, NamedTuple

type Definition = Mapping[str, Any]

RISING = ("count", "sum", "max", "unique_count")
ADDITIVE = ("flat", "per_unit", "package", "graduated", "percentage", "dynamic")
OUTSIDE = -1
"""The cell of events that no cell of the matrix matches."""


class Happening(NamedTuple):
    """An event: its properties, and how many seconds after the period's start it occurred."""

    properties: Mapping[str, Any]
    second: Fraction


class Share(NamedTuple):
    """What one event comes to."""

    cell: int
    quantity: Fraction
    billable: Fraction
    metered: Fraction
    amount: Fraction


class Case(NamedTuple):
    """A price, its meter, how it settles, and the length of the period in seconds."""

    definition: Definition
    aggregation: str
    weighted_by: str
    at_close: bool
    seconds: Fraction


def to_12_places(amount: Fraction) -> Fraction:
    """Round half away from zero to 12 places."""
    scaled = abs(amount) * 10**12
    whole = floor(scaled + Fraction(1, 2))
    return Fraction(whole if amount >= 0 else -whole, 10**12)


@lru_cache(maxsize=100_000)
def number(value: Any, default: str = "0") -> Fraction:
    """Read a decimal."""
    return Fraction(str(default if value is None else value))


# Which cell.


def cell_of(definition: Definition, properties: Mapping[str, Any]) -> int:
    """Return the number of the most specific cell that matches."""
    if not definition.get("matrix"):
        return OUTSIDE
    names = definition["matrix"]["dimensions"]
    ranked = []
    for index, cell in enumerate(definition["matrix"]["cells"]):
        kinds = [_how(cell["match"].get(name, "*"), properties.get(name)) for name in names]
        if None not in kinds:
            ranked.append((sum(kind != 0 for kind in kinds), kinds, index))
    return max(ranked)[2] if ranked else OUTSIDE


def _how(wanted: Any, value: Any) -> int | None:
    """Say how specifically a value is matched: 2 by itself, 1 by a range, 0 by anything."""
    if wanted == "*":
        return 0
    if not isinstance(wanted, Mapping):
        return 2 if str(value) == wanted else None
    try:
        there = Fraction(str(value))
    except ValueError:
        return None
    return 1 if all(_holds(there, name, number(bound)) for name, bound in wanted.items()) else None


def _holds(value: Fraction, name: str, bound: Fraction) -> bool:
    return {
        "gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound,
    }[name]  # fmt: skip


def model_of(definition: Definition, cell: int) -> tuple[str, Definition]:
    """Return the charge model of a cell, and the terms it has."""
    if cell == OUTSIDE:
        return definition["charge_model"], definition
    terms = definition["matrix"]["cells"][cell]
    return terms["charge_model"], terms


def priced_cells(definition: Definition) -> list[int]:
    """Return the cells that have a price; what stands beside a matrix prices what is outside."""
    matrix = definition.get("matrix")
    cells = list(range(len(matrix["cells"]))) if matrix else []
    beside = {"unit_amount", "flat_amount", "tiers", "percentage", "multiplier", "amount_property"}
    return [*cells, OUTSIDE] if not matrix or beside & set(definition) else cells


def name_of(definition: Definition, cell: int) -> str:
    """Return what a cell is called in running totals."""
    if cell == OUTSIDE:
        return ""
    match = definition["matrix"]["cells"][cell]["match"]
    written = [match.get(name, "*") for name in definition["matrix"]["dimensions"]]
    return json.dumps(written, separators=(",", ":"))


# How much.


def units_of(definition: Definition, raw: Fraction, *, rounds: bool) -> Fraction:
    """Return raw units as units of the price."""
    units = raw / number(definition.get("unit_size"), "1")
    how = definition.get("rounding", "none")
    if how == "none" or not rounds:
        return units
    scaled = units * 10 ** int(definition.get("rounding_places", 0))
    whole = {
        "up": ceil(scaled),
        "down": floor(scaled),
        "half_up": (1 if scaled >= 0 else -1) * floor(abs(scaled) + Fraction(1, 2)),
    }[how]
    return Fraction(whole, 10 ** int(definition.get("rounding_places", 0)))


def _rounds(definition: Definition, scope: str) -> bool:
    return bool(definition.get("rounding_scope", "total") == scope)


def _values(case: Case, events: Sequence[Happening]) -> list[Fraction]:
    """Return what each event says, each rounded when the price rounds events."""
    size = number(case.definition.get("unit_size"), "1")
    values = []
    for event in events:
        value = Fraction(1) if case.aggregation == "count" else number(event.properties.get("q"))
        if _rounds(case.definition, "event") and case.definition.get("rounding", "none") != "none":
            value = units_of(case.definition, value, rounds=True) * size
        values.append(value)
    return values


def level(case: Case, events: Sequence[Happening]) -> Fraction:
    """Return the running total that these events of one cell leave."""
    values = _values(case, events)
    match case.aggregation:
        case "count" | "sum" | "average":
            return sum(values, Fraction(0))
        case "max":
            return max([*values, Fraction(0)])
        case "min":
            return min(values, default=Fraction(0))
        case "unique_count":
            return Fraction(len({event.properties["who"] for event in events}))
        case "latest":
            newest = max(enumerate(events), key=lambda each: (each[1].second, each[0]))
            return values[newest[0]]
        case "weighted_sum":
            total = Fraction(0)
            for value, event in zip(values, events, strict=True):
                lasts = case.seconds - max(event.second, Fraction(0))
                total += to_12_places(value * max(lasts, Fraction(0)))
            return total
    raise ValueError(case.aggregation)


def result(case: Case, events: Sequence[Happening]) -> Fraction:
    """Return what a meter shows for the whole period."""
    if not events:
        return Fraction(0)
    total = level(case, events)
    if case.aggregation == "average":
        return total / len(events)
    if case.aggregation == "weighted_sum":
        return total / (3600 if case.weighted_by == "hour" else case.seconds)
    return total


# What it costs.


type Tiers = list[tuple[Fraction, Fraction | None, Fraction, Fraction]]
"""Tiers: where each starts, where it ends, its rate and its flat amount."""


def tiers_of(terms: Definition, rate: str) -> Tiers:
    """Read tiers."""
    start, rows = Fraction(0), []
    for tier in terms["tiers"]:
        end = None if tier.get("up_to") is None else number(tier["up_to"])
        rows.append((start, end, number(tier.get(rate)), number(tier.get("flat_amount"))))
        start = end if end is not None else start
    return rows


def graduated(tiers: Tiers, units: Fraction) -> Fraction:
    """Price each unit in its tier; a flat amount once the tier is entered, the first's always."""
    total = Fraction(0)
    for place, (start, end, rate, flat) in enumerate(tiers):
        if place == 0 or units > start:
            inside = (units if end is None else min(units, end)) - start
            total += flat + max(inside, Fraction(0)) * rate
    return total


def reached(tiers: Tiers, units: Fraction) -> tuple[Fraction, Fraction]:
    """Return rate and flat amount of the tier that a total reaches."""
    return next((rate, flat) for _, end, rate, flat in tiers if end is None or units <= end)


def cost(
    name: str, terms: Definition, units: Fraction, counted: Fraction | None = None
) -> Fraction:
    """Return what a period's units cost; `counted` says what reaches the tier of volume tiers."""
    match name:
        case "flat":
            return number(terms["flat_amount"])
        case "per_unit":
            return units * number(terms["unit_amount"])
        case "package":
            blocks = ceil(units / number(terms.get("package_size"), "1"))
            return blocks * number(terms["unit_amount"])
        case "graduated":
            return graduated(tiers_of(terms, "unit_amount"), units)
        case "volume_tiers":
            where = units if counted is None else counted
            rate, flat = reached(tiers_of(terms, "unit_amount"), where)
            return units * rate + flat
        case "stairstep":
            return reached(tiers_of(terms, "unit_amount"), units)[1]
    raise ValueError(name)


def transaction(terms: Definition, before: Fraction, after: Fraction, earlier: int) -> Fraction:
    """Return what one transaction costs by a percentage, as the one after `earlier` others."""
    events, amount = terms.get("free_events"), terms.get("free_amount")
    start = before
    if (events is not None or amount is not None) and (events is None or earlier < int(events)):
        if amount is None or after <= number(amount):
            return Fraction(0)
        start = max(before, number(amount))
    tiers: Tiers = [(Fraction(0), None, number(terms.get("percentage")), Fraction(0))]
    if "tiers" in terms:
        tiers = tiers_of(terms, "percentage")
    tiers = [(begin, end, rate / 100, flat) for begin, end, rate, flat in tiers]
    shares = [to_12_places(graduated(tiers, at)) if at else Fraction(0) for at in (start, after)]
    total = shares[1] - shares[0] + number(terms.get("fixed_amount"))
    if terms.get("minimum_per_event") is not None:
        total = max(total, number(terms["minimum_per_event"]))
    if terms.get("maximum_per_event") is not None:
        total = min(total, number(terms["maximum_per_event"]))
    return to_12_places(total)


def charged(definition: Definition, metered: Fraction) -> Fraction:
    """Return what usage is charged that costs `metered` by itself."""
    commitment = definition.get("commitment")
    if commitment:
        beyond = max(metered - committed(definition), Fraction(0))
        metered = min(metered, committed(definition))
        metered += beyond * number(commitment.get("overage_factor"), "1")
    if definition.get("maximum_amount") is not None:
        metered = min(metered, number(definition["maximum_amount"]))
    return metered


def committed(definition: Definition) -> Fraction:
    """Return the amount of a commitment."""
    commitment = definition["commitment"]
    if "units" not in commitment:
        return number(commitment["amount"])
    return cost(definition["charge_model"], definition, number(commitment["units"]))


# A period.


class Period:
    """One price over one period's events, in the order they came."""

    def __init__(self, case: Case, events: Sequence[Happening]) -> None:
        self.case = case
        self.definition = case.definition
        self.events = events
        self.cells = [cell_of(case.definition, event.properties) for event in events]
        models = [model_of(self.definition, cell)[0] for cell in priced_cells(case.definition)]
        self.rises = case.aggregation in RISING
        self.accrues = self.rises and all(model in ADDITIVE for model in models)
        self.over_all = self.definition.get("tiers_count") == "over_all_cells"

    def _of_cell(self, cell: int, count: int) -> list[Happening]:
        """Return the events of one cell among the first `count`."""
        pairs = zip(self.cells[:count], self.events, strict=False)
        return [event for at, event in pairs if at == cell]

    @cached_property
    def _added(self) -> list[Fraction]:
        """What each event adds to the running total of its cell."""
        found = []
        for index, cell in enumerate(self.cells):
            before = self._of_cell(cell, index)
            there = level(self.case, before) if before else Fraction(0)
            found.append(level(self.case, self._of_cell(cell, index + 1)) - there)
        return found

    @cached_property
    def _billable(self) -> list[Fraction]:
        """What of each event is not included: the pool is used up by whoever comes first."""
        if not self.rises:
            return [Fraction(0)] * len(self.cells)
        included, found = number(self.definition.get("included")), []
        for index, added in enumerate(self._added):
            left = included - sum(self._added[:index], Fraction(0))
            found.append(max(added - max(left, Fraction(0)), Fraction(0)))
        return found

    def _metered(self, index: int) -> Fraction:
        """Return what an event adds to the cost of its cell."""
        name, terms = model_of(self.definition, self.cells[index])
        earlier = [
            other
            for other in range(index)
            if self.over_all or self.cells[other] == self.cells[index]
        ]
        total = sum((self._billable[other] for other in earlier), Fraction(0))
        rounds = _rounds(self.definition, "total")
        before = units_of(self.definition, total, rounds=rounds)
        after = units_of(self.definition, total + self._billable[index], rounds=rounds)
        if name == "percentage":
            return transaction(terms, before, after, len(earlier))
        if name == "dynamic":
            carried = self.events[index].properties.get(terms.get("amount_property") or "-")
            price = after - before if carried is None else number(carried)
            return to_12_places(price * number(terms.get("multiplier"), "1"))
        opens = bool(self.definition.get("matrix")) and not earlier
        due = Fraction(0) if opens else to_12_places(cost(name, terms, before))
        return to_12_places(cost(name, terms, after)) - due

    @property
    def standing(self) -> Fraction:
        """What is due without any use."""
        if self.definition.get("matrix"):
            return Fraction(0)
        name, terms = model_of(self.definition, OUTSIDE)
        if name in ("percentage", "dynamic"):
            return Fraction(0)
        return to_12_places(cost(name, terms, Fraction(0)))

    @cached_property
    def shares(self) -> list[Share]:
        """Say what each event comes to."""
        found: list[Share] = []
        so_far = self.standing
        for index, cell in enumerate(self.cells):
            metered = amount = Fraction(0)
            if self.accrues:
                metered = self._metered(index)
                if not self.case.at_close:
                    amount = to_12_places(charged(self.definition, so_far + metered))
                    amount -= to_12_places(charged(self.definition, so_far))
                so_far += metered
            share = Share(cell, self._added[index], self._billable[index], metered, amount)
            found.append(share)
        return found

    def _used(self) -> list[tuple[int, Fraction]]:
        """Return what each cell has used that is not included."""
        if not self.definition.get("matrix"):
            cells = [OUTSIDE]
        else:
            cells = sorted(set(self.cells), key=lambda cell: name_of(self.definition, cell))
        used, left = [], number(self.definition.get("included"))
        for cell in cells:
            if self.rises:
                mine = [i for i, at in enumerate(self.cells) if at == cell]
                value = sum((self._billable[index] for index in mine), Fraction(0))
            else:
                shown = result(self.case, self._of_cell(cell, len(self.events)))
                shown = max(shown, Fraction(0))
                value = max(shown - left, Fraction(0))
                left -= shown - value
            used.append((cell, value))
        return used

    def _whole(self) -> Fraction:
        """Return what the period's usage costs by itself."""
        if self.accrues:
            return self.standing + sum((share.metered for share in self.shares), Fraction(0))
        rounds = _rounds(self.definition, "total")
        used = [(c, units_of(self.definition, v, rounds=rounds)) for c, v in self._used()]
        together = sum((units for _, units in used), Fraction(0)) if self.over_all else None
        total = Fraction(0)
        for cell, units in used:
            name, terms = model_of(self.definition, cell)
            total += to_12_places(cost(name, terms, units, together))
        return total

    def close(self) -> dict[str, Fraction]:
        """Say what the close asks for, by kind."""
        whole = to_12_places(charged(self.definition, self._whole()))
        due = {"usage": whole}
        if not self.case.at_close:
            due = {"standing": to_12_places(charged(self.definition, self.standing))}
        commitment, least = self.definition.get("commitment"), self.definition.get("minimum_amount")
        if commitment and commitment.get("true_up", True):
            promised = charged(self.definition, committed(self.definition))
            due["commitment"] = to_12_places(max(promised - whole, Fraction(0)))
            whole += max(promised - whole, Fraction(0))
        if least is not None:
            due["minimum"] = to_12_places(max(number(least) - whole, Fraction(0)))
        return {kind: amount for kind, amount in due.items() if amount}
