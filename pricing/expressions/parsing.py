"""Reading an expression into its tree, by descent: one method for each strength of sign.

or, and, not, comparisons, sums, products, a leading minus; then numbers, names, functions and
parentheses. Whether numbers stand where numbers are needed is checked on the way, so that a
mistake is reported at the place where it is.
"""

from collections.abc import Callable, Sequence

from accounts import money
from pricing.expressions.mistakes import ExpressionInvalid
from pricing.expressions.tokens import LENGTH_MAX, Kind, Token, split
from pricing.expressions.tree import (
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Logic,
    Node,
    Number,
    Property,
    Sort,
    Text,
    Truth,
    is_text,
)

__all__ = ["LENGTH_MAX", "read_tree"]

DEPTH_MAX = 20
NODES_MAX = 120
_COMPARISONS = {"<", "<=", ">", ">=", "==", "!=", "="}
_WORDS = {"and", "or", "not", "true", "false"}
_ONE_NUMBER = {"ceil", "floor", "abs"}
_MANY_NUMBERS = {"min", "max"}
_KNOWN_FUNCTIONS = "min, max, ceil, floor, round, abs, if, default and prop"


def read_tree(source: str) -> tuple[Node, frozenset[str]]:
    """Return the tree and the names of the properties in it. Raises ExpressionInvalid."""
    reader = _Reader(split(source))
    if reader.is_at_end():
        raise ExpressionInvalid("is empty")
    tree = _number(reader.condition())
    if not reader.is_at_end():
        raise reader.unexpected("a sign such as + or the end")
    return tree, frozenset(reader.names)


class _Reader:
    """The tokens, how far they were read, and what was counted on the way."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.names: set[str] = set()
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._nodes = 0

    @property
    def peek(self) -> Token:
        return self._tokens[self._at]

    def is_at_end(self) -> bool:
        return self.peek.kind is Kind.END

    def unexpected(self, wanted: str) -> ExpressionInvalid:
        return ExpressionInvalid(
            f"{wanted} is expected here, not {self.peek}", position=self.peek.position
        )

    def _take(self) -> Token:
        token = self.peek
        self._at += 1
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise ExpressionInvalid(
                f"must have at most {NODES_MAX} names, numbers and signs", position=token.position
            )
        return token

    def _next_is(self, *signs: str) -> bool:
        return self.peek.kind is Kind.SIGN and self.peek.text in signs

    def _next_word(self) -> str:
        """Return the next token when it is a word of the language; a call is none."""
        is_name = self.peek.kind is Kind.NAME
        word = self.peek.text.lower() if is_name else ""
        return word if word in _WORDS else ""

    def _expect(self, sign: str) -> None:
        if not self._next_is(sign):
            raise self.unexpected(f'"{sign}"')
        self._take()

    def _nested(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ExpressionInvalid(
                f"must not be nested deeper than {DEPTH_MAX} levels", position=self.peek.position
            )
        node = read()
        self._depth -= 1
        return node

    def condition(self) -> Node:
        return self._joined("or", lambda: self._joined("and", self._negation))

    def _joined(self, word: str, read: Callable[[], Node]) -> Node:
        node = read()
        if self._next_word() != word:
            return node
        position = self.peek.position
        conditions = [_condition(node)]
        while self._next_word() == word:
            self._take()
            conditions.append(_condition(read()))
        return Logic(word, tuple(conditions), position)

    def _negation(self) -> Node:
        if self._next_word() != "not":
            return self._comparison()
        position = self._take().position
        return Logic("not", (_condition(self._nested(self._negation)),), position)

    def _comparison(self) -> Node:
        left = self._sum()
        if not self._next_is(*_COMPARISONS):
            return left
        sign = self._take()
        right = self._sum()
        if self._next_is(*_COMPARISONS):
            raise ExpressionInvalid(
                "two values are compared at a time; join comparisons with and",
                position=self.peek.position,
            )
        return _compared("==" if sign.text == "=" else sign.text, left, right, sign.position)

    def _sum(self) -> Node:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._arithmetic(("*", "/"), self._signed)

    def _arithmetic(self, signs: tuple[str, str], read: Callable[[], Node]) -> Node:
        node = read()
        while self._next_is(*signs):
            sign = self._take()
            node = Arithmetic(sign.text, _number(node), _number(read()), sign.position)
        return node

    def _signed(self) -> Node:
        if not self._next_is("-", "+"):
            return self._operand()
        sign = self._take()
        number = _number(self._nested(self._signed))
        return Call("-", (number,), sign.position) if sign.text == "-" else number

    def _operand(self) -> Node:
        token = self.peek
        match token.kind:
            case Kind.NUMBER:
                return _read_number(self._take())
            case Kind.TEXT:
                return Text(self._take().text, token.position)
            case Kind.NAME if self._next_word() in ("true", "false"):
                return Truth(self._take().text.lower() == "true", token.position)
            case Kind.NAME if not self._next_word():
                return self._named(self._take())
            case Kind.SIGN if token.text == "(":
                self._take()
                node = self._nested(self.condition)
                self._expect(")")
                return node
        raise self.unexpected('a number, a property or "("')

    def _named(self, name: Token) -> Node:
        if not self._next_is("("):
            return self._property(name.text, name.position)
        self._take()
        node = self._nested(lambda: self._call(name))
        self._expect(")")
        return node

    def _property(self, name: str, position: int) -> Property:
        self.names.add(name)
        return Property(name, position)

    def _call(self, name: Token) -> Node:
        function = name.text.lower()
        if function == "prop":
            return self._quoted_property()
        if function == "default":
            return self._default(name)
        if function == "if":
            return self._choice(name)
        if function == "round":
            return self._rounding(name)
        if function not in _ONE_NUMBER | _MANY_NUMBERS:
            raise ExpressionInvalid(
                f'"{name.text}" is no function; there are {_KNOWN_FUNCTIONS}',
                position=name.position,
            )
        arguments = [_number(self.condition())]
        while function in _MANY_NUMBERS and (self._next_is(",") or len(arguments) == 1):
            self._expect(",")
            arguments.append(_number(self.condition()))
        return Call(function, tuple(arguments), name.position)

    def _quoted_property(self) -> Property:
        if self.peek.kind is not Kind.TEXT or not self.peek.text:
            raise self.unexpected('the name of a property in quotes, like prop("odd name"),')
        token = self._take()
        return self._property(token.text, token.position)

    def _default(self, name: Token) -> Node:
        inner = self._operand() if self.peek.kind is Kind.NAME else None
        if not isinstance(inner, Property) or inner.fallback is not None:
            raise ExpressionInvalid(
                "default takes a property and what counts when it is missing, "
                "for example default(cached_tokens, 0)",
                position=name.position,
            )
        self._expect(",")
        return Property(inner.name, inner.position, self.condition())

    def _choice(self, name: Token) -> Node:
        condition = _condition(self.condition())
        self._expect(",")
        then = _number(self.condition())
        self._expect(",")
        return Choice(condition, then, _number(self.condition()), name.position)

    def _rounding(self, name: Token) -> Node:
        number, places = _number(self.condition()), 0
        if self._next_is(","):
            self._take()
            text = self.peek.text if self.peek.kind is Kind.NUMBER else ""
            if not text.isdigit() or len(text) > 2 or int(text) > money.PLACES:  # noqa: PLR2004
                raise self.unexpected(f"a number of places from 0 to {money.PLACES}")
            places = int(self._take().text)
        return Call("round", (number,), name.position, places)


def _read_number(token: Token) -> Number:
    try:
        return Number(money.parse(token.text), token.position)
    except money.AmountInvalid as error:
        raise ExpressionInvalid(f"a number {error}", position=token.position) from error


def _number(node: Node) -> Node:
    """Return the node if it is, or may turn out to be, a number."""
    if node.sort is Sort.CONDITION:
        raise ExpressionInvalid(
            "this is a condition where a number is expected; write if(condition, 1, 0)",
            position=node.position,
        )
    if node.sort is Sort.TEXT:
        raise ExpressionInvalid("this is a text where a number is expected", position=node.position)
    return node


def _condition(node: Node) -> Node:
    """Return the node if it is, or may turn out to be, true or false."""
    if node.sort not in (Sort.CONDITION, Sort.PROPERTY):
        raise ExpressionInvalid(
            f"this is {node.sort} where a condition such as tokens > 100 is expected",
            position=node.position,
        )
    return node


def _compared(sign: str, left: Node, right: Node, position: int) -> Comparison:
    if not is_text(left) and not is_text(right):
        return Comparison(sign, _number(left), _number(right), position)
    if sign not in ("==", "!="):
        raise ExpressionInvalid(
            "texts are compared by == and != only; a number stands without quotes",
            position=position,
        )
    for node in (left, right):
        if not is_text(node) and node.sort is not Sort.PROPERTY:
            raise ExpressionInvalid(
                f"this is {node.sort} and never equal to a text", position=node.position
            )
    return Comparison(sign, left, right, position)
