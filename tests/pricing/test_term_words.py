"""What a version says beside its prices, in words."""

import pytest

from pricing import plan_import, term_words, version_changes
from pricing.version_changes import Change
from tests.clock import NOW
from tests.factories import OrganizationFactory, PlanVersionFactory
from tests.pricing.plan_documents import full_plan

pytestmark = pytest.mark.django_db


def test_every_term_is_described() -> None:
    draft = plan_import.import_plan(
        organization=OrganizationFactory.create(), document=full_plan(), at=NOW
    )
    assert list(term_words.describe(draft)) == [
        ("Billing interval", "Month"),
        ("When credit runs out", "Let the balance go below zero, down to a limit"),
        ("Overdraft limit", "25"),
        ("Trial", "14 days"),
        ("Base fee", "20.50 USD, when the period ends"),
        ("Seats", "15.00 USD each, 2 included, when the period begins"),
        (
            "Included credits",
            (
                "500 credits for each seat each billing period, until the period it came in ends, "
                "up to 1,000 credits rolls over, priority 50"
            ),
        ),
        (
            "Included USD",
            "5.00 USD each billing period, for 30 days, rolls over, priority 50",
        ),
        (
            "Included USD 2",
            (
                "5.00 USD each day, at most 30.00 USD a month, until the period it came in ends, "
                "for video_minutes only, priority 7"
            ),
        ),
        ("Feature context", "200000"),
        ("Feature minutes", "up to 300 of Video minutes a period"),
        ("Feature models", "model may be opus, haiku"),
        ("Feature sso", "no"),
    ]


def test_a_version_without_terms_says_little() -> None:
    assert [subject for subject, _ in term_words.describe(PlanVersionFactory.create())] == [
        "Billing interval",
        "When credit runs out",
    ]


def test_changed_terms_are_compared() -> None:
    before = PlanVersionFactory.create(published=True)
    after = PlanVersionFactory.create(plan=before.plan, number=2, trial_days=7)
    assert version_changes.compare(before, after) == [Change("Trial", "", "7 days")]
