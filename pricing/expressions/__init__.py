"""Expressions: arithmetic over an event's properties, written by whoever sells.

    input_tokens + output_tokens * 3
    ceil(duration_ms / 1000)
    if(model == "opus" and usage.context > 200000, tokens * 2, tokens)
    default(cached_tokens, 0) + prop("odd name")

The text is read into a tree of known pieces and the tree becomes closures, once; nothing of it is
ever run as a program. Texts, nesting and numbers are bounded, so that reading and evaluating take
microseconds whatever was written.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from accounts import money
from pricing.expressions.compiling import Compute, compile_number
from pricing.expressions.mistakes import ExpressionFailed, ExpressionInvalid
from pricing.expressions.parsing import LENGTH_MAX, read_tree
from pricing.properties import Properties

__all__ = ["LENGTH_MAX", "Expression", "ExpressionFailed", "ExpressionInvalid", "parse"]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression ready to be evaluated; two are equal when they were written the same.

    `names` are the properties it may read. `str()` is what was written.
    """

    text: str
    names: frozenset[str] = field(compare=False)
    _compute: Compute = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    def evaluate(self, properties: Properties) -> Decimal:
        """Return the value, rounded half up to 12 places; it may be negative.

        Raises ExpressionFailed when a property is missing or not what the expression needs, for a
        division by zero, and for more than 26 digits before the point.
        """
        value = money.quantize(self._compute(properties))
        if not -money.LARGEST <= value <= money.LARGEST:
            raise ExpressionFailed("the result has more than 26 digits before the point")
        return value


def parse(text: object) -> Expression:
    """Read an expression. Raises ExpressionInvalid, which says where and why."""
    if not isinstance(text, str):
        raise ExpressionInvalid("must be a text")
    tree, names = read_tree(text)
    expression = Expression(text.strip(), names, compile_number(tree))
    if not names:
        _check_constant(expression)
    return expression


def _check_constant(expression: Expression) -> None:
    try:
        expression.evaluate({})
    except ExpressionFailed as error:
        raise ExpressionInvalid(error.detail, position=1) from error
