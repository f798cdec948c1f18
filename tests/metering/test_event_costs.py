"""Each event is stored with what vendors took for it."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing_site import self_check
from metering import cost_audit, event_drafts, ingestion
from metering.event_drafts import EventDraft
from metering.models import Event
from pricing import cost_rates
from tests.clock import DAY, HOUR, NOW, SECOND
from tests.factories import CostRateFactory, EventFactory
from tests.guarded_tables import refused, run, unguarded
from tests.token_world import TokenWorld, by_model, open_token_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def tokens() -> TokenWorld:
    world = open_token_world()
    world.pay_vendor()
    return world


def test_a_million_in_and_a_million_out(tokens: TokenWorld) -> None:
    event = tokens.call("opus", 1_000_000, 1_000_000)
    assert event.charges[0]["amount"] == "11.25"
    assert (event.cost_amount, event.cost_asset) == (Decimal(9), tokens.usd)
    assert event.cost_parts == {"input_tokens": "1", "output_tokens": "8"}


def test_a_cost_is_exact(tokens: TokenWorld) -> None:
    event = tokens.call("haiku", 1, 3)
    assert event.cost_amount == Decimal("0.0000008") + 3 * Decimal("0.000004")


def test_a_model_nobody_knows_the_cost_of(tokens: TokenWorld) -> None:
    event = tokens.call("llama", 1_000, 1_000)
    assert (event.cost_asset, event.cost_parts) == (None, None)


def test_without_rates_nothing_is_known() -> None:
    event = open_token_world().call("opus", 1_000, 1_000)
    assert event.cost_asset is None


def test_a_neighbours_rates_are_not_ours() -> None:
    ours, theirs = open_token_world(), open_token_world()
    theirs.pay_vendor()
    assert ours.call("opus", 1_000, 1_000).cost_asset is None
    assert theirs.call("opus", 1_000, 1_000).cost_amount == Decimal("0.009")


def test_the_rate_of_the_moment_it_occurred_counts(tokens: TokenWorld) -> None:
    dearer = {"input_tokens": {"opus": "2"}, "output_tokens": {"opus": "16"}}
    tokens.pay_vendor(dearer, since=NOW - HOUR)
    before = (NOW - HOUR - SECOND).isoformat()
    at = (NOW - HOUR).isoformat()
    assert tokens.call("opus", 1_000_000, 0, timestamp=before).cost_amount == 1
    assert tokens.call("opus", 1_000_000, 0, timestamp=at).cost_amount == 2
    assert tokens.call("opus", 1_000_000, 0).cost_amount == 2


def test_an_event_before_the_first_rate_has_no_known_cost() -> None:
    world = open_token_world()
    world.pay_vendor(since=NOW)
    earlier = (NOW - SECOND).isoformat()
    assert world.call("opus", 1_000, 1_000, timestamp=earlier).cost_asset is None


def test_costs_take_one_query_for_a_whole_set(tokens: TokenWorld) -> None:
    drafts = [_draft(n) for n in range(50)]
    tokens.call("opus", 1, 1)
    with CaptureQueriesContext(connection) as few:
        ingestion.record_events(organization_id=tokens.organization.id, drafts=drafts[:1], at=NOW)
    with CaptureQueriesContext(connection) as many:
        ingestion.record_events(organization_id=tokens.organization.id, drafts=drafts[1:], at=NOW)
    assert len(few) == len(many)
    assert sum("pricing_cost" in query["sql"] for query in many) == 1
    assert Event.objects.filter(cost_amount=None).count() == 0


def _draft(number: int) -> EventDraft:
    raw = {
        "id": f"draft-{number}",
        "type": "completion",
        "customer": "acme",
        "properties": {"model": "opus", "input_tokens": number, "output_tokens": 1},
    }
    draft = event_drafts.parse(raw, at=NOW)
    assert isinstance(draft, EventDraft)
    return draft


def test_a_cost_is_stored_whole_or_not_at_all(tokens: TokenWorld) -> None:
    event = tokens.call("opus", 1, 1)
    for change in ("cost_amount = NULL", "cost_asset_id = NULL", "cost_parts = NULL",
                   "cost_amount = -1"):  # fmt: skip
        with refused("event_cost_is_whole_or_unknown"), unguarded():
            run(f"UPDATE metering_event SET {change} WHERE key = %s", event.key)


def test_a_cost_is_in_the_asset_of_the_policy(tokens: TokenWorld) -> None:
    period = tokens.call("opus", 1, 1).period
    stranger = CostRateFactory.create().meter.organization
    with refused("costs are in the asset of the cost policy"):
        EventFactory.create(period=period, cost_asset=cost_rates.policy_of(stranger.id).asset)  # type: ignore[union-attr]


class TestAudit:
    def test_finds_nothing_where_nothing_is_wrong(self, tokens: TokenWorld) -> None:
        tokens.call("opus", 5, 7)
        tokens.call("llama", 5, 7)
        assert cost_audit.differences() == []
        assert self_check.differences() == []
        call_command("audit_ledger", "--costs", verbosity=0)

    @pytest.mark.parametrize(
        "change",
        [
            'cost_amount = 1, cost_parts = \'{"input_tokens": "1"}\'',
            "cost_amount = NULL, cost_parts = NULL, cost_asset_id = NULL",
        ],
    )
    def test_finds_a_cost_that_is_not_what_the_rates_make_it(
        self, tokens: TokenWorld, change: str
    ) -> None:
        event = tokens.call("opus", 1_000_000, 0)
        with unguarded():
            run(f"UPDATE metering_event SET {change}".replace("%", "%%"))
        [difference] = cost_audit.differences()
        assert str(event.key) in difference.subject
        assert difference.organization_id == tokens.organization.id
        with pytest.raises(SystemExit):
            call_command("audit_ledger", "--costs", verbosity=0)

    def test_holds_an_event_against_the_rates_of_its_day(self, tokens: TokenWorld) -> None:
        tokens.call("opus", 5, 7)
        # Noticed later, effective earlier: what is stored stays as it was known.
        self._rate(tokens, since=NOW - DAY, written=NOW + DAY)
        assert cost_audit.differences() == []

    def test_forgives_a_rate_written_in_the_same_moment(self, tokens: TokenWorld) -> None:
        tokens.call("opus", 5, 7)
        self._rate(tokens, since=NOW - DAY, written=NOW - 3 * SECOND)
        assert cost_audit.differences() == []

    def test_does_not_forgive_one_written_before(self, tokens: TokenWorld) -> None:
        tokens.call("opus", 5, 7)
        self._rate(tokens, since=NOW - DAY, written=NOW - HOUR)
        assert len(cost_audit.differences()) == 1

    @staticmethod
    def _rate(tokens: TokenWorld, **when: Any) -> None:
        CostRateFactory.create(
            meter=tokens.meters["input_tokens"],
            definition=by_model({"opus": "77"}),
            effective_from=when["since"],
            created_at=when["written"],
        )
