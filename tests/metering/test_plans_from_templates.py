"""Events of plans that were made of templates: rated, paid and refused like any other."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from accounts import ledger
from accounts.burndown import Category
from accounts.models import Asset, CreditAccount, Customer
from metering import event_drafts, ingestion
from metering.event_drafts import EventDraft
from metering.outcomes import Outcome
from pricing import plan_import, publication, subscriptions, templates_catalog
from tests.clock import NOW, SINCE
from tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db

LONG_REQUEST = {
    "model": "claude-sonnet-4-6",
    "service_tier": "standard",
    "input_tokens": 100_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "cache_read_input_tokens": 100_001,
    "output_tokens": 2_000,
}


def sell(template_id: str, *, asset: str, credit: str = "") -> CreditAccount:
    """Put a plan of the template on sale, and subscribe a customer, who may have more `credit`."""
    customer: Customer = CustomerFactory.create()
    draft = plan_import.import_plan(
        organization=customer.organization,
        document=templates_catalog.find(template_id).plan,
        at=SINCE,
    )
    version = publication.publish(version=draft, by=None, at=SINCE)
    subscriptions.subscribe(customer=customer, plan_version=version, at=SINCE)
    account = ledger.open_account(
        customer=customer, asset=Asset.objects.get(organization=customer.organization, code=asset)
    )
    if credit:
        ledger.grant_credit(
            account=account, amount=Decimal(credit), category=Category.PAID, at=SINCE
        )
    return account


def send(account: CreditAccount, event_type: str, *uses: dict[str, Any]) -> Sequence[Outcome]:
    drafts = [
        event_drafts.parse(
            {
                "id": f"event-{number}",
                "type": event_type,
                "customer": account.customer.external_id,
                "properties": properties,
            },
            at=NOW,
        )
        for number, properties in enumerate(uses)
    ]
    assert all(isinstance(draft, EventDraft) for draft in drafts)
    return ingestion.record_events(
        organization_id=account.organization_id, drafts=drafts, at=NOW
    ).outcomes


def posted(account: CreditAccount) -> Decimal:
    return ledger.read_balance(account, at=NOW).posted


def statuses(outcomes: Sequence[Outcome]) -> list[str]:
    return [str(outcome.status) for outcome in outcomes]


def test_a_request_over_200_000_tokens_is_billed_whole_at_the_higher_rate() -> None:
    account = sell("anthropic_tokens_2026_02", credit="2", asset="USD")
    request = {**LONG_REQUEST, "input_tokens": 250_000, "cache_read_input_tokens": 0}
    assert statuses(send(account, "anthropic.message", request, request)) == ["recorded", "blocked"]
    assert posted(account) == 2 - Decimal("1.545")


def test_tokens_read_from_the_cache_make_a_request_long() -> None:
    account = sell("anthropic_tokens_2026_02", credit="2", asset="USD")
    send(account, "anthropic.message", LONG_REQUEST)
    assert posted(account) == 2 - Decimal("0.6") - Decimal("0.0600006") - Decimal("0.045")


def test_relaxed_jobs_run_when_the_fast_hours_are_used_up() -> None:
    account = sell("midjourney_standard", asset="fast_hours")
    jobs = [
        {"gpu_seconds": 15 * 3600, "speed": "fast"},
        {"gpu_seconds": 60, "speed": "fast"},
        {"gpu_seconds": 60, "speed": "relax"},
    ]
    assert statuses(send(account, "image.generated", *jobs)) == ["recorded", "blocked", "recorded"]
    assert posted(account) == 0


def test_a_response_is_sent_as_it_came() -> None:
    account = sell("cohere_billed_units", credit="1", asset="USD")
    responses = [
        {"model": "command-a-03-2025", "billed_units": {"input_tokens": 9000, "output_tokens": 50}},
        {"model": "rerank-v3.5", "billed_units": {"search_units": 1}},
        {"model": "unheard-of", "billed_units": {"search_units": 1}},
    ]
    outcomes = send(account, "cohere.response", *responses)
    assert statuses(outcomes) == ["recorded", "recorded", "unpriced"]
    assert posted(account) == 1 - Decimal("0.0225") - Decimal("0.0005") - Decimal("0.002")
