"""What may happen to a ledger: the steps of the lives that the ledger machine leads."""

import uuid
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from accounts import ledger
from accounts.burndown import Category
from tests.clock import HOUR

METERS = ("tokens", "images")
SERIES = uuid.UUID(int=1)
POLICIES = ("release", "capture_reported", "capture_full")


def cents(least: int, most: int) -> st.SearchStrategy[Decimal]:
    """Amounts of so many cents."""
    return st.integers(least, most).map(lambda number: Decimal(number) / 100)


HOURS = st.integers(1, 5).map(lambda hours: hours * HOUR)
TERMS = st.fixed_dictionaries(
    {
        "amount": cents(1, 2_000),
        "category": st.sampled_from(list(Category)),
        "priority": st.integers(49, 51),
        "meters": st.sets(st.sampled_from(METERS), max_size=1),
    }
)
PARTS = st.lists(st.tuples(st.sampled_from(METERS), cents(0, 800)), min_size=1, max_size=3)


def step(verb: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Something to do, with what."""
    return st.tuples(st.just(verb), st.fixed_dictionaries(arguments))


PICK = st.integers(0, 99)
HOLD = step(
    "hold", parts=PARTS, lasts=HOURS, policy=st.sampled_from(POLICIES), overage=st.booleans()
)
CAPTURE = step(
    "capture",
    pick=PICK,
    parts=PARTS,
    final=st.booleans(),
    shortfall=st.sampled_from(list(ledger.Shortfall)),
)
STEPS = st.one_of(
    step("grant", terms=TERMS, begins=st.none() | HOURS, lasts=st.none() | HOURS),
    step("renew", terms=TERMS, lasts=HOURS, limit=st.none() | cents(1, 1_500)),
    step("renew", terms=TERMS, lasts=HOURS, limit=st.none() | cents(1, 1_500)),
    step("void", pick=PICK),
    step("debit", parts=PARTS, overage=st.booleans()),
    step("reverse", pick=PICK),
    HOLD,
    HOLD,
    step("extend", pick=PICK, parts=PARTS, lasts=st.none() | HOURS, overage=st.booleans()),
    CAPTURE,
    CAPTURE,
    step("report", pick=PICK, amount=cents(0, 2_000)),
    step("release", pick=PICK),
    step("wait", hours=HOURS),
    step("sweep"),
    step("try_again"),
)
