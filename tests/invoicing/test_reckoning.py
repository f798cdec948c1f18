"""From lines to a total: coupons, taxes and credit, with vectors E8, L1 to L4 and L9 as data."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.money import ZERO
from invoicing import lines, reckoning
from invoicing.lines import Line, LineKind
from invoicing.reckoning import CreditsTiming, Reckoned
from invoicing.taxes import Tax
from pricing.discounts import Discount
from tests.invoicing.fee_worlds import amounts


def tax(percent: str, *, inclusive: bool = False) -> Tax:
    return Tax(name=f"VAT {percent}", percent=Decimal(percent), is_inclusive=inclusive)


def percent_off(percent: str, code: str = "p") -> Discount:
    return Discount(code=code, percent=Decimal(percent))


def amount_off(amount: str, code: str = "a") -> Discount:
    return Discount(code=code, amount=Decimal(amount), asset="USD")


def usage(amount: str, *, credit: str = "0") -> Line:
    return lines.usage_line(
        description="Use",
        quantity=Decimal(1),
        amount=Decimal(amount),
        overage=Decimal(amount) - Decimal(credit),
        scale=2,
    )


def item(amount: str) -> Line:
    return lines.plain_line(kind=LineKind.ITEM, description="Item", amount=Decimal(amount), scale=2)


def reckon(*due: Line, **terms: Any) -> Reckoned:
    return reckoning.reckon(due, asset="USD", scale=2, **terms)


VECTORS: dict[str, tuple[list[Line], dict[str, Any], str, str, str]] = {
    "E8": ([usage("0.17"), usage("4.46")], {"taxes": [tax("20")]}, "4.63", "0.93", "5.56"),
    "L1 before credits": (
        [item("60"), item("20")],
        {"discounts": [amount_off("10")], "taxes": [tax("8.25")]},
        "70", "5.78", "75.78",
    ),
    "L1 with 5 of credit after tax": (
        [usage("60", credit="5"), item("20")],
        {
            "discounts": [amount_off("10")],
            "taxes": [tax("8.25")],
            "credits": CreditsTiming.AFTER_TAX,
        },
        "70", "5.78", "70.78",
    ),
    "L2": (
        [item("100")], {"discounts": [percent_off("10", "1"), percent_off("10", "2")]},
        "81", "0", "81",
    ),
    "L3": ([item("100")], {"taxes": [tax("6"), tax("2")]}, "100", "8", "108"),
    "L4": (
        [item("50")], {"discounts": [amount_off("30", "1"), amount_off("30", "2")]}, "0", "0", "0",
    ),
    "L9": ([usage("33.333", credit="33.333")], {}, "0", "0", "0"),
    "inclusive": ([item("119")], {"taxes": [tax("19", inclusive=True)]}, "119", "0", "119"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("due", "terms", "subtotal", "added", "total"), VECTORS.values(), ids=VECTORS
)
def test_vectors(
    due: list[Line], terms: dict[str, Any], subtotal: str, added: str, total: str
) -> None:
    found = reckon(*due, **terms)
    assert (found.subtotal, found.tax, found.total) == (
        Decimal(subtotal), Decimal(added), Decimal(total),
    )  # fmt: skip


def test_a_discount_of_a_quarter_of_a_line_is_the_first_of_vector_l1() -> None:
    assert reckon(item("80"), discounts=[percent_off("25")]).total == 60


def test_a_tax_in_the_price_is_taken_out_of_it() -> None:
    found = reckon(item("119"), taxes=[tax("19", inclusive=True), tax("10")])
    inside, on_top = found.taxes
    assert (inside.taxable, inside.amount) == amounts(100, 19)
    assert (on_top.taxable, on_top.amount, found.total) == amounts(100, 10, 129)


def test_credit_after_tax_leaves_all_of_the_usage_to_be_taxed() -> None:
    due, taxes = usage("100", credit="40"), [tax("10")]
    before = reckon(due, taxes=taxes)
    after = reckon(due, taxes=taxes, credits=CreditsTiming.AFTER_TAX)
    assert (before.subtotal, before.tax, before.credits, before.total) == amounts(60, 6, 0, 66)
    assert (after.subtotal, after.tax, after.credits, after.total) == amounts(100, 10, 40, 70)


def test_coupons_count_on_what_is_due_and_not_on_what_credit_has_paid() -> None:
    due = usage("100", credit="100")
    found = reckon(due, discounts=[percent_off("10")], credits=CreditsTiming.AFTER_TAX)
    assert not found.taken
    assert found.total == 0


def test_what_comes_to_less_than_nothing_is_carried() -> None:
    found = reckon(item("-30"), item("10"), taxes=[tax("10")])
    assert (found.carried, found.subtotal, found.total) == amounts(20, 0, 0)
    assert found.taken[0].kind == LineKind.CARRIED


AMOUNTS = st.decimals(0, 10**6, places=6, allow_nan=False)
USE = st.tuples(AMOUNTS, AMOUNTS).map(lambda pair: usage(str(max(pair)), credit=str(min(pair))))
PERCENTS = st.decimals(0, 40, places=2, allow_nan=False)


@given(
    due=st.lists(USE, max_size=6),
    percents=st.lists(PERCENTS, max_size=3),
    inclusive=st.booleans(),
    off=st.lists(PERCENTS, max_size=3),
    timing=st.sampled_from(CreditsTiming),
)
def test_law_10_rounding_neither_makes_nor_loses_money(
    due: list[Line],
    percents: list[Decimal],
    off: list[Decimal],
    *,
    inclusive: bool,
    timing: CreditsTiming,
) -> None:
    found = reckon(
        *due,
        taxes=[
            Tax(name=str(n), percent=each, is_inclusive=inclusive)
            for n, each in enumerate(percents)
        ],
        discounts=[Discount(code=str(n), percent=each) for n, each in enumerate(off)],
        credits=timing,
    )
    amounts = [line.amount for line in [*found.lines, *found.taken]]
    added = [each.amount for each in found.taxes if not each.tax.is_inclusive]
    assert found.total == sum(amounts, ZERO) + sum(added, ZERO) - found.credits
    assert all(each == each.quantize(Decimal("0.01")) for each in [*amounts, found.total])
    assert found.total >= 0
    if not percents:
        assert found.total == sum((line.amount for line in due), ZERO) + sum(
            (line.amount for line in found.taken), ZERO
        )
    if inclusive:
        inside = sum((each.amount for each in found.taxes), ZERO)
        assert all(each.taxable + inside == found.subtotal for each in found.taxes)
