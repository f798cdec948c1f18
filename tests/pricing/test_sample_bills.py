"""Bills worked out by hand, from the vendors' pages where they state one, against the engine.

Each file in `sample_bills/` names a template, or holds a plan of its own, and lists bills: what was
used, the arithmetic in words, every line and the totals.
"""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from accounts import exact_json, timestamps
from pricing import bills, templates_catalog
from pricing.rating import Span
from tests.pricing.plan_tariffs import tariff_of

FOLDER = Path(__file__).parent / "sample_bills"
AUGUST = Span(dt.datetime(2026, 8, 1, tzinfo=dt.UTC), dt.datetime(2026, 9, 1, tzinfo=dt.UTC))


def _samples() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.json")):
        content = exact_json.decode(path.read_bytes())
        plan = content.get("plan") or templates_catalog.find(content["template"]).plan
        for bill in content["bills"]:
            yield pytest.param(plan, bill, id=f"{path.stem}: {bill['name']}")


def _period(bill: dict[str, Any]) -> Span:
    if "period" not in bill:
        return AUGUST
    return Span(*(timestamps.parse(bill["period"][end]) for end in ("starts_at", "ends_at")))


def _events(bill: dict[str, Any]) -> Iterator[bills.SampleEvent]:
    for use in bill["usage"]:
        event = bills.SampleEvent(
            type=use["type"],
            properties=use["properties"],
            occurred_at=timestamps.parse(use["at"]) if "at" in use else None,
        )
        for _ in range(use.get("times", 1)):
            yield event


def _key(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["kind"], line.get("of", ""), line["asset"]


@pytest.mark.parametrize(("plan", "sample"), list(_samples()))
def test_a_bill_worked_out_by_hand(plan: dict[str, Any], sample: dict[str, Any]) -> None:
    period = _period(sample)
    tariff = tariff_of(plan, seats=sample.get("seats", 1), period=period)
    bill = bills.simulate(tariff, _events(sample), period=period)
    lines = {(line.kind.value, line.description, line.asset): line for line in bill.lines}
    assert len(lines) == len(bill.lines)
    assert lines.keys() == {_key(line) for line in sample["lines"]}
    for expected in sample["lines"]:
        for name in expected.keys() - {"kind", "of", "asset"}:
            found = getattr(lines[_key(expected)], name)
            assert found == Decimal(expected[name]), f"{name} of {_key(expected)}"
    assert bill.totals == {asset: Decimal(total) for asset, total in sample["totals"].items()}


def test_every_template_has_a_bill() -> None:
    billed = {
        content.get("template")
        for content in (exact_json.decode(path.read_bytes()) for path in FOLDER.glob("*.json"))
    }
    assert {template.id for template in templates_catalog.all_templates()} <= billed


def test_every_bill_says_how_it_was_worked_out() -> None:
    for path in FOLDER.glob("*.json"):
        for bill in exact_json.decode(path.read_bytes())["bills"]:
            assert bill["source"], path.name
            assert bill["arithmetic"], f"{path.name}: {bill['name']}"
