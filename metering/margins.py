"""Margins: what events earned, what they cost, and the difference, by customer, model, day, meter.

Everything here only reads, within one organization. Amounts are compared in the asset in which the
organization keeps its costs: an event counts there when it was charged in that asset, or in none.
Events whose cost is not known, and those charged in other assets only, are told apart instead of
being counted as if they had cost or earned nothing. What a price charges when its period closes
belongs to no event and is not here, nor is what others' usage owes because an event was voided;
the voided event itself is left out, with what it earned and what it cost.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Self

from django.db import connection, transaction

from accounts.models import Asset, Customer
from accounts.money import ZERO
from metering import margin_statements
from metering.margin_statements import Attribute
from pricing import cost_rates
from pricing.models import Price

DAYS_MAX = 366
GROUPS_MAX = 4
ROWS_MAX = 10_000
PROPERTY_LENGTH_MAX = 100
_VALUE_LENGTH_MAX = 200
_PROPERTY_PREFIX = "properties."
_HUNDREDTH = Decimal("0.01")

type Group = dict[str, str | None]
"""The value of each attribute that rows are grouped by; None where events have no such property."""


class NoCostAsset(Exception):
    """The organization has not said in which asset its costs are."""


class ReportInvalid(ValueError):
    """There is no such report; `field` names the term that is wrong, `reason` says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class TooManyRows(Exception):
    """The report would have more rows than anybody reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a group of events comes to, in the asset of costs.

    `unknown_cost_*` are of events whose cost is not known, `elsewhere_*` of events charged in other
    assets only; neither is part of `events`, `revenue` and `cost`.
    """

    events: int = 0
    revenue: Decimal = ZERO
    cost: Decimal = ZERO
    unknown_cost_events: int = 0
    unknown_cost_revenue: Decimal = ZERO
    elsewhere_events: int = 0
    elsewhere_cost: Decimal = ZERO

    @property
    def margin(self) -> Decimal:
        """What is left of the revenue; below zero it is a loss."""
        return self.revenue - self.cost

    @property
    def margin_percent(self) -> Decimal | None:
        """The margin as a share of the revenue, to two places; None without any revenue."""
        if not self.revenue:
            return None
        return (self.margin * 100 / self.revenue).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP)

    @property
    def is_loss(self) -> bool:
        """Whether the events cost more than they earned."""
        return self.margin < 0

    @classmethod
    def of(cls, values: Sequence[Any]) -> Self:
        """Read one row of the statement, which has them in the order of the fields."""
        names = (field.name for field in fields(cls))
        return cls(**dict(zip(names, values, strict=True)))

    def __add__(self, other: Self) -> Self:
        """Return what both groups come to."""
        names = (field.name for field in fields(self))
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group of events."""

    group: Group
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRevenue:
    """What a group of events earned in an asset that cannot be compared with costs."""

    group: Group
    asset: str
    events: int
    revenue: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Margins of the events that occurred in [start, end), by UTC days, in `asset`."""

    asset: Asset
    start: dt.date
    end: dt.date
    group_by: tuple[str, ...]
    total: Figures
    rows: list[Row]
    other_revenue: list[OtherRevenue]


@dataclass(frozen=True, slots=True)
class _Query:
    """What the statements of one report share: whose events, and which prices they have met."""

    parameters: dict[str, Any]
    has_other_assets: bool

    def run(self, sql: str, attributes: Sequence[Attribute]) -> list[tuple[Any, ...]]:
        properties: dict[str, Any] = {}
        for place, each in enumerate(attributes):
            properties[f"name_{place}"] = each.property
            properties[f"path_{place}"] = each.property.split(".")
        with transaction.atomic(), connection.cursor() as cursor:
            # Many events are sorted here by their keys; the usual share of memory is for few.
            cursor.execute("SET LOCAL work_mem = '64MB'")
            cursor.execute(sql, {**self.parameters, **properties})
            return list(cursor.fetchall())


def report(
    *, organization_id: uuid.UUID, start: dt.date, end: dt.date, group_by: Sequence[str]
) -> Report:
    """Return the margins of events that occurred from `start` on and before `end`.

    `group_by` names up to four of customer, day, meter, model, or `properties.` and the name of any
    property; the rows are sorted by them. By meter, an event counts with each meter that priced or
    paid for it. Raises NoCostAsset, ReportInvalid and TooManyRows.
    """
    attributes = _attributes(group_by)
    if not 0 < (end - start).days <= DAYS_MAX:
        raise ReportInvalid("to", f"must be 1 to {DAYS_MAX} days after the start")
    policy = cost_rates.policy_of(organization_id)
    if policy is None:
        raise NoCostAsset
    query = _query(organization_id, policy.asset_id, start, end)
    found = query.run(margin_statements.margins(attributes), attributes)
    others = []
    if query.has_other_assets:
        others = query.run(margin_statements.other_revenue(attributes), attributes)
    if max(len(found), len(others)) > ROWS_MAX:
        raise TooManyRows
    group_of = _Groups(organization_id, attributes)
    rows = [Row(group=group_of(row), figures=Figures.of(row[len(attributes) :])) for row in found]
    if any(each.name == "meter" for each in attributes):
        # An event has a row with each of its meters, so the rows add up to more than all events.
        [all_events] = query.run(margin_statements.margins(()), ())
        total = Figures.of(all_events)
    else:
        total = sum((row.figures for row in rows), Figures())
    return Report(
        asset=policy.asset,
        start=start,
        end=end,
        group_by=tuple(each.name for each in attributes),
        total=total,
        rows=sorted(rows, key=lambda row: _place(row.group)),
        other_revenue=sorted(
            (_other_revenue(group_of(row), row[len(attributes) :]) for row in others),
            key=lambda other: (_place(other.group), other.asset),
        ),
    )


def _query(organization_id: uuid.UUID, asset_id: uuid.UUID, start: dt.date, end: dt.date) -> _Query:
    prices = list(
        Price.objects.filter(organization=organization_id)
        .order_by()
        .values_list("id", "meter__code", "asset_id", "asset__code")
    )
    compared = [(price_id, meter) for price_id, meter, asset, _ in prices if asset == asset_id]
    others = [(price_id, meter, code) for price_id, meter, asset, code in prices
              if asset != asset_id]  # fmt: skip
    parameters = {
        "organization": organization_id,
        "start": dt.datetime.combine(start, dt.time(), tzinfo=dt.UTC),
        "end": dt.datetime.combine(end, dt.time(), tzinfo=dt.UTC),
        "limit": ROWS_MAX + 1,
        "prices": [price_id for price_id, _ in compared],
        "meters": [meter for _, meter in compared],
        "other_prices": [price_id for price_id, _, _ in others],
        "other_meters": [meter for _, meter, _ in others],
        "other_assets": [code for _, _, code in others],
    }
    return _Query(parameters, has_other_assets=bool(others))


class _Groups:
    """Reads the group of a row; customers are named by their external ids."""

    def __init__(self, organization_id: uuid.UUID, attributes: Sequence[Attribute]) -> None:
        self._names = [each.name for each in attributes]
        self._customers: dict[str, str] = {}
        if "customer" in self._names:
            customers = Customer.objects.filter(organization=organization_id)
            self._customers = {
                str(customer_id): external_id
                for customer_id, external_id in customers.values_list("id", "external_id")
            }

    def __call__(self, row: Sequence[Any]) -> Group:
        group: Group = dict(zip(self._names, row, strict=False))
        if "customer" in group:
            group["customer"] = self._customers[str(group["customer"])]
        return group


def _place(group: Group) -> list[tuple[bool, str]]:
    """Return where a group stands: by its values in order, what has none last."""
    return [(value is None, value or "") for value in group.values()]


def _other_revenue(group: Group, values: Sequence[Any]) -> OtherRevenue:
    asset, events, revenue = values
    return OtherRevenue(group=group, asset=asset, events=events, revenue=revenue)


def _attributes(group_by: Sequence[str]) -> list[Attribute]:
    if not 1 <= len(group_by) <= GROUPS_MAX:
        raise ReportInvalid("group_by", f"must name 1 to {GROUPS_MAX} attributes")
    if len(set(group_by)) != len(group_by):
        raise ReportInvalid("group_by", "must name each attribute once")
    return [_attribute(name, place) for place, name in enumerate(group_by)]


def _attribute(name: str, place: int) -> Attribute:
    match name:
        case "customer":
            return Attribute(name, "event.customer_id::text")
        case "day":
            return Attribute(name, "(event.occurred_at AT TIME ZONE 'UTC')::date::text")
        case "meter":
            return Attribute(name, "line.meter")
    named = name.removeprefix(_PROPERTY_PREFIX)
    if name != "model" and not name.startswith(_PROPERTY_PREFIX):
        raise ReportInvalid(
            "group_by",
            f"has {name[:PROPERTY_LENGTH_MAX]!r}, which is none of customer, model, day, meter and "
            "properties.<name>",
        )
    if not 0 < len(named) <= PROPERTY_LENGTH_MAX or "\0" in named:
        reason = f"names a property of 1 to {PROPERTY_LENGTH_MAX} characters, none of them NUL"
        raise ReportInvalid("group_by", reason)
    # Like everywhere, a name with dots is first a name and then a way into objects.
    value = f"event.properties ->> %(name_{place})s::text"
    if "." in named:
        value = f"coalesce({value}, event.properties #>> %(path_{place})s::text[])"
    return Attribute(name, f"left({value}, {_VALUE_LENGTH_MAX})", named)
