"""The statements behind margins: each a pass over the events of one organization and some days.

Their parameters are `organization`, `start` and `end`; `prices` in the asset of costs with their
`meters`; `other_prices` with their `other_meters` and `other_assets`; `limit`; and for the
attribute at each place its property as `name_<place>`, and as steps into objects `path_<place>`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metering.standing_events import STANDING


@dataclass(frozen=True, slots=True)
class Attribute:
    """What rows are grouped by: its name, the SQL of it, and the property it reads."""

    name: str
    sql: str
    property: str = ""


# Every event once, with what it was charged in the asset of costs and somebody pays. It is compared
# there when it was charged in that asset, or in none.
_EVENTS = f"""
SELECT event.key, event.cost_amount AS cost, event.cost_parts,
    count(rated.price_id) = 0 OR bool_or(rated.price_id = ANY(%(prices)s::uuid[])) AS is_compared,
    coalesce(
        sum(rated.amount - rated.uncollected)
            FILTER (WHERE rated.price_id = ANY(%(prices)s::uuid[])),
        0
    ) AS revenue
    {{columns}}
FROM metering_event event
LEFT JOIN metering_ratedevent rated
    ON rated.organization_id = event.organization_id AND rated.event_key = event.key
WHERE event.organization_id = %(organization)s
    AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s AND {STANDING}
GROUP BY event.organization_id, event.key
"""  # noqa: S608

# Every event with each meter that priced or paid for it.
_EVENTS_BY_METER = """
WITH event AS MATERIALIZED ({events}),
part AS (
    SELECT event.key, price.meter, rated.amount - rated.uncollected AS revenue, 0 AS cost
    FROM event
    JOIN metering_ratedevent rated
        ON rated.organization_id = %(organization)s AND rated.event_key = event.key
    JOIN unnest(%(prices)s::uuid[], %(meters)s::text[]) AS price (id, meter)
        ON price.id = rated.price_id
    UNION ALL
    SELECT event.key, paid.meter, 0, paid.amount::numeric
    FROM event, jsonb_each_text(event.cost_parts) AS paid (meter, amount)
),
line AS (
    SELECT key, meter, sum(revenue) AS revenue, sum(cost) AS cost FROM part GROUP BY key, meter
)
SELECT line.meter, line.revenue, event.is_compared,
    CASE WHEN event.cost IS NOT NULL THEN line.cost END AS cost {groups}
FROM line JOIN event USING (key)
"""

# In the order of the fields of Figures.
_FIGURES = """
    count(*) FILTER (WHERE is_compared AND cost IS NOT NULL),
    coalesce(sum(revenue) FILTER (WHERE is_compared AND cost IS NOT NULL), 0),
    coalesce(sum(cost) FILTER (WHERE is_compared), 0),
    count(*) FILTER (WHERE is_compared AND cost IS NULL),
    coalesce(sum(revenue) FILTER (WHERE is_compared AND cost IS NULL), 0),
    count(*) FILTER (WHERE NOT is_compared),
    coalesce(sum(cost) FILTER (WHERE NOT is_compared), 0)
"""


def margins(attributes: Sequence[Attribute]) -> str:
    """Return the statement for figures by these attributes, one row for all events without any.

    A row has the values of the attributes and then, in the order of its fields, `margins.Figures`.
    """
    places = [(f"group_{place}", each) for place, each in enumerate(attributes)]
    of_event = [(group, each) for group, each in places if each.name != "meter"]
    shown = ["meter" if each.name == "meter" else group for group, each in places]
    lines = _EVENTS.format(columns="".join(f", {each.sql} AS {group}" for group, each in of_event))
    if "meter" in shown:
        groups = "".join(f", event.{group}" for group, _ in of_event)
        lines = _EVENTS_BY_METER.format(events=lines, groups=groups)
    if not shown:
        return f"SELECT {_FIGURES} FROM ({lines}) line"  # noqa: S608
    return f"""
    SELECT {", ".join(shown)}, {_FIGURES}
    FROM ({lines}) line
    GROUP BY {", ".join(shown)}
    LIMIT %(limit)s
    """  # noqa: S608


def other_revenue(attributes: Sequence[Attribute]) -> str:
    """Return the statement for revenue in other assets: attributes, asset, events, revenue."""
    columns = "".join(f"{each.sql}, " for each in attributes)
    places = ", ".join(str(place) for place in range(1, len(attributes) + 2))
    return f"""
    SELECT {columns} line.asset, count(DISTINCT event.key),
        sum(rated.amount - rated.uncollected)
    FROM metering_event event
    JOIN metering_ratedevent rated
        ON rated.organization_id = event.organization_id AND rated.event_key = event.key
    JOIN unnest(%(other_prices)s::uuid[], %(other_meters)s::text[], %(other_assets)s::text[])
        AS line (price, meter, asset) ON line.price = rated.price_id
    WHERE event.organization_id = %(organization)s
        AND event.occurred_at >= %(start)s AND event.occurred_at < %(end)s AND {STANDING}
    GROUP BY {places}
    LIMIT %(limit)s
    """  # noqa: S608
