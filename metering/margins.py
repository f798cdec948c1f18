"""Margins: what events earned, what they cost, and the difference, by customer, model, day, meter.

Everything here only reads, within one organization. Amounts are compared in the asset in which the
organization keeps its costs: an event counts there when it was charged in that asset, or in none.
Events whose cost is not known, and those charged in other assets only, are told apart instead of
being counted as if they had cost or earned nothing. What a price charges when its period closes
belongs to no event and is not here.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Self

from django.db import connection

from accounts.models import Asset
from accounts.money import ZERO
from pricing import cost_rates

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
        """Read one row of the statement."""
        events, revenue, cost, *others = values
        return cls(
            events=events,
            revenue=revenue,
            cost=cost,
            unknown_cost_events=others[0],
            unknown_cost_revenue=others[1],
            elsewhere_events=others[2],
            elsewhere_cost=others[3],
        )


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
class _Attribute:
    """What rows are grouped by: its name, the SQL of it, and the property it reads."""

    name: str
    sql: str
    property: str = ""


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
    parameters = {
        "organization": organization_id,
        "asset": policy.asset_id,
        "start": dt.datetime.combine(start, dt.time(), tzinfo=dt.UTC),
        "end": dt.datetime.combine(end, dt.time(), tzinfo=dt.UTC),
        "limit": ROWS_MAX + 2,
        **{f"name_{place}": each.property for place, each in enumerate(attributes)},
        **{f"path_{place}": each.property.split(".") for place, each in enumerate(attributes)},
    }
    (total, *rows), others = (
        _run(_margins_sql(attributes), parameters),
        _run(_other_revenue_sql(attributes), parameters),
    )
    if max(len(rows), len(others)) > ROWS_MAX:
        raise TooManyRows
    names = tuple(each.name for each in attributes)
    width = len(names)
    return Report(
        asset=policy.asset,
        start=start,
        end=end,
        group_by=names,
        total=Figures.of(total[width + 1 :]),
        rows=[Row(group=_group(names, row), figures=Figures.of(row[width + 1 :])) for row in rows],
        other_revenue=[_other_revenue(names, row) for row in others],
    )


def _group(names: Sequence[str], row: Sequence[Any]) -> Group:
    return dict(zip(names, row, strict=False))


def _other_revenue(names: Sequence[str], row: Sequence[Any]) -> OtherRevenue:
    asset, events, revenue = row[len(names) :]
    return OtherRevenue(group=_group(names, row), asset=asset, events=events, revenue=revenue)


def _attributes(group_by: Sequence[str]) -> list[_Attribute]:
    if not 1 <= len(group_by) <= GROUPS_MAX:
        raise ReportInvalid("group_by", f"must name 1 to {GROUPS_MAX} attributes")
    if len(set(group_by)) != len(group_by):
        raise ReportInvalid("group_by", "must name each attribute once")
    return [_attribute(name, place) for place, name in enumerate(group_by)]


def _attribute(name: str, place: int) -> _Attribute:
    match name:
        case "customer":
            return _Attribute(name, "customer.external_id")
        case "day":
            return _Attribute(name, "(event.occurred_at AT TIME ZONE 'UTC')::date::text")
        case "meter":
            return _Attribute(name, "line.meter")
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
    path = f"event.properties #>> %(path_{place})s::text[]"
    value = (
        f"coalesce(event.properties ->> %(name_{place})s::text, {path})" if "." in named else path
    )
    return _Attribute(name, f"left({value}, {_VALUE_LENGTH_MAX})", named)


def _run(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


# `earned` is what an event was charged, by asset and meter; `revenue` what of it is in the asset of
# costs, and whether the event is compared there.
_EVENTS = """
WITH event AS MATERIALIZED (
    SELECT key, customer_id, occurred_at, properties, cost_amount, cost_parts
    FROM metering_event
    WHERE organization_id = %(organization)s
        AND occurred_at >= %(start)s AND occurred_at < %(end)s
),
earned AS MATERIALIZED (
    SELECT rated.event_key AS key, price.asset_id, meter.code AS meter, sum(rated.amount) AS amount
    FROM event
    JOIN metering_ratedevent rated
        ON rated.organization_id = %(organization)s AND rated.event_key = event.key
    JOIN pricing_price price
        ON price.organization_id = rated.organization_id AND price.id = rated.price_id
    JOIN pricing_meter meter
        ON meter.organization_id = price.organization_id AND meter.id = price.meter_id
    GROUP BY 1, 2, 3
),
revenue AS (
    SELECT key, bool_or(asset_id = %(asset)s) AS is_compared,
        sum(amount) FILTER (WHERE asset_id = %(asset)s) AS amount
    FROM earned GROUP BY key
)"""

_LINE_PER_EVENT = """,
line AS (
    SELECT event.key, coalesce(revenue.is_compared, true) AS is_compared,
        coalesce(revenue.amount, 0) AS revenue, event.cost_amount AS cost
    FROM event LEFT JOIN revenue USING (key)
)"""

_LINE_PER_METER = """,
line AS (
    SELECT part.key, part.meter, coalesce(revenue.is_compared, true) AS is_compared,
        sum(part.revenue) AS revenue, sum(part.cost) AS cost
    FROM (
        SELECT key, meter, amount AS revenue,
            CASE WHEN event.cost_amount IS NOT NULL THEN 0 END AS cost
        FROM earned JOIN event USING (key) WHERE asset_id = %(asset)s
        UNION ALL
        SELECT event.key, cost.meter, 0, cost.amount::numeric
        FROM event, jsonb_each_text(event.cost_parts) AS cost (meter, amount)
    ) part
    LEFT JOIN revenue USING (key)
    GROUP BY 1, 2, 3
)"""

_FIGURES = """
    count(*) FILTER (WHERE is_compared AND cost IS NOT NULL),
    coalesce(sum(revenue) FILTER (WHERE is_compared AND cost IS NOT NULL), 0),
    coalesce(sum(cost) FILTER (WHERE is_compared), 0),
    count(*) FILTER (WHERE is_compared AND cost IS NULL),
    coalesce(sum(revenue) FILTER (WHERE is_compared AND cost IS NULL), 0),
    count(*) FILTER (WHERE NOT is_compared),
    coalesce(sum(cost) FILTER (WHERE NOT is_compared), 0)
"""


def _margins_sql(attributes: Sequence[_Attribute]) -> str:
    by_meter = any(each.name == "meter" for each in attributes)
    figures = _FIGURES.replace("count(*)", "count(DISTINCT key)") if by_meter else _FIGURES
    columns = ", ".join(f"{each.sql} AS group_{n}" for n, each in enumerate(attributes))
    groups = ", ".join(f"group_{n}" for n, _ in enumerate(attributes))
    line = _LINE_PER_METER if by_meter else _LINE_PER_EVENT
    # Beside the groups, one row for all events: what a sum over meters could not tell.
    return f"""{_EVENTS}{line}
    SELECT {groups}, grouping(group_0) = 1 AS is_total, {figures}
    FROM (
        SELECT {columns}, line.*
        FROM line
        JOIN event USING (key)
        JOIN accounts_customer customer
            ON customer.organization_id = %(organization)s AND customer.id = event.customer_id
    ) grouped
    GROUP BY GROUPING SETS (({groups}), ())
    ORDER BY is_total DESC, {groups}
    LIMIT %(limit)s
    """  # noqa: S608


def _other_revenue_sql(attributes: Sequence[_Attribute]) -> str:
    columns = ", ".join(f"{each.sql} AS group_{n}" for n, each in enumerate(attributes))
    groups = ", ".join(f"group_{n}" for n, _ in enumerate(attributes))
    return f"""{_EVENTS}
    SELECT {groups}, asset, count(DISTINCT key), sum(amount)
    FROM (
        SELECT {columns}, asset.code AS asset, line.key, line.amount
        FROM earned line
        JOIN event USING (key)
        JOIN accounts_customer customer
            ON customer.organization_id = %(organization)s AND customer.id = event.customer_id
        JOIN accounts_asset asset
            ON asset.organization_id = %(organization)s AND asset.id = line.asset_id
        WHERE line.asset_id <> %(asset)s
    ) grouped
    GROUP BY {groups}, asset
    ORDER BY {groups}, asset
    LIMIT %(limit)s
    """  # noqa: S608
