"""Entitlements: what a customer may do, and which events it forbids.

A feature is granted in one of four ways. Two of them refuse events: `values` lets a property have
some values only, `metered` lets a meter reach a limit in each billing period. The other two,
`boolean` and `static`, are answers for the product to ask for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from accounts import money
from accounts.money import ZERO
from pricing.properties import as_text, reader

type Kind = Literal["boolean", "static", "values", "metered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One feature; `meter` is a code, `limit` in its raw units for one billing period."""

    feature: str
    kind: Kind
    property_name: str = ""
    allowed_values: frozenset[str] = frozenset()
    meter: str = ""
    limit: Decimal = ZERO


class Refusal(NamedTuple):
    """Why an event is refused; `reason` is a stable code, `detail` is for people."""

    feature: str
    reason: str
    detail: str


def refusals(
    rules: Sequence[Rule],
    *,
    properties: Mapping[str, object],
    used: Mapping[str, Decimal],
) -> list[Refusal]:
    """Return every reason why an event is not allowed, in the order of the rules.

    `used` is what the period would hold of each meter, by code, with this event in it. An event
    without the property that is limited to some values is none of that feature's business.
    """
    if not rules:
        return []
    found = (_refusal(rule, properties=properties, used=used) for rule in rules)
    return [each for each in found if each is not None]


def _refusal(
    rule: Rule, *, properties: Mapping[str, object], used: Mapping[str, Decimal]
) -> Refusal | None:
    match rule.kind:
        case "values":
            return _wrong_value(rule, properties)
        case "metered":
            return _over_limit(rule, used)
        case _:
            return None


def _wrong_value(rule: Rule, properties: Mapping[str, object]) -> Refusal | None:
    value = reader(rule.property_name)(properties)
    text = as_text(value)
    if value is None or text in rule.allowed_values:
        return None
    shown = f" {text[:100]}" if text is not None else ""
    detail = f"the plan does not include {rule.property_name}{shown}"
    return Refusal(rule.feature, "not_entitled", detail)


def _over_limit(rule: Rule, used: Mapping[str, Decimal]) -> Refusal | None:
    reached = used.get(rule.meter)
    if reached is None or reached <= rule.limit:
        return None
    limit = money.to_wire(rule.limit)
    detail = f"the plan includes {limit} of {rule.meter} in a billing period"
    return Refusal(rule.feature, "limit_reached", detail)
