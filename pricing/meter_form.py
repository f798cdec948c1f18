"""What a meter may be: the one rule that the admin, the API and imported plans share.

A number of events takes no value. Different values are told apart by a property. Every other
aggregation measures one value: a property, or an expression over properties.
"""

from pricing import expressions
from pricing.field_errors import FieldError
from pricing.filters import FilterInvalid
from pricing.filters import parse as parse_filters


def mistakes(
    *,
    aggregation: str,
    quantity_property: str = "",
    expression: str = "",
    filters: object = None,
    weighted_by: str = "period",
) -> list[FieldError]:
    """Return what is wrong with a meter's terms, by field; nothing when it can be used.

    Whether `aggregation` and `weighted_by` are known words is for the caller to check. Mistakes in
    filters name the property: `filters.model.in[2]`.
    """
    found = _mistakes_in_value(aggregation, quantity_property, expression)
    if expression and not any(error.field == "expression" for error in found):
        try:
            expressions.parse(expression)
        except expressions.ExpressionInvalid as invalid:
            found.append(FieldError("expression", invalid.shown_in(expression)))
    try:
        parse_filters({} if filters is None else filters)
    except FilterInvalid as invalid:
        found += [
            FieldError(field if field == "filters" else f"filters.{field}", reason)
            for field, reason in invalid.errors
        ]
    if weighted_by == "hour" and aggregation != "weighted_sum":
        found.append(FieldError("weighted_by", "must be period unless a sum is weighted by time"))
    return found


def _mistakes_in_value(
    aggregation: str, quantity_property: str, expression: str
) -> list[FieldError]:
    values = {"quantity_property": quantity_property, "expression": expression}
    given = [name for name, value in values.items() if value]
    if aggregation == "count":
        reason = "must be empty, because a number of events takes no value"
        return [FieldError(name, reason) for name in given]
    if expression and aggregation == "unique_count":
        reason = "must be empty, because different values are told apart by a property"
        return [FieldError("expression", reason)]
    if len(given) > 1:
        return [FieldError("expression", "must be empty when a property is given")]
    if not given:
        instead = "" if aggregation == "unique_count" else ", or an expression must be given"
        return [FieldError("quantity_property", f"must name a property{instead}")]
    return []
