"""What events earned and what they cost."""

import datetime as dt
from decimal import Decimal

import pytest

from accounts import ledger
from accounts.burndown import Category
from accounts.models import Customer
from accounts.money import to_wire
from metering import authorizations, event_drafts, margins
from metering.event_drafts import EventDraft
from metering.margins import NoCostAsset, Report, ReportInvalid, TooManyRows
from pricing import publication
from pricing.models import PlanVersion
from tests.clock import HOUR, NOW, SINCE
from tests.factories import (
    AssetFactory,
    CostPolicyFactory,
    MeterFactory,
    PlanVersionFactory,
    PriceFactory,
)
from tests.token_world import SALES, TokenWorld, by_model, open_token_world

pytestmark = pytest.mark.django_db

MARCH = (dt.date(2025, 3, 1), dt.date(2025, 4, 1))
MILLION = 1_000_000


@pytest.fixture
def tokens() -> TokenWorld:
    world = open_token_world()
    world.pay_vendor()
    return world


def report(world: TokenWorld, *group_by: str, days: tuple[dt.date, dt.date] = MARCH) -> Report:
    return margins.report(
        organization_id=world.organization.id,
        start=days[0],
        end=days[1],
        group_by=group_by or ("model",),
    )


def rows(found: Report) -> dict[tuple[str | None, ...], tuple[int, str, str, str]]:
    """Return events, revenue, cost and margin by the values of the group."""
    return {
        tuple(row.group.values()): (
            row.figures.events,
            to_wire(row.figures.revenue),
            to_wire(row.figures.cost),
            to_wire(row.figures.margin),
        )
        for row in found.rows
    }


def test_what_nobody_pays_is_no_revenue(tokens: TokenWorld) -> None:
    customer = Customer.objects.get(external_id="acme")
    nothing = {"model": "opus", "input_tokens": 0, "output_tokens": 0}
    asked = event_drafts.parse_question(
        {"type": "completion", "properties": nothing}, customer="acme", at=NOW
    )
    assert isinstance(asked, EventDraft)
    made = authorizations.authorize(
        customer=customer, drafts=[asked], expires_in=HOUR, at=NOW
    ).authorization.row
    tokens.call("opus", 100 * MILLION, 100 * MILLION, authorization=str(made.id))
    figures = report(tokens).total
    assert (to_wire(figures.revenue), to_wire(figures.cost)) == ("1000", "900")
    assert rows(report(tokens, "meter")) == {
        ("input_tokens",): (1, "125", "100", "25"),
        ("output_tokens",): (1, "875", "800", "75"),
    }


def test_by_model(tokens: TokenWorld) -> None:
    tokens.call("opus", MILLION, MILLION)
    tokens.call("haiku", MILLION, 0)
    tokens.call("haiku", 0, 1)
    found = report(tokens)
    assert rows(found) == {
        ("haiku",): (2, "0.500002", "0.800004", "-0.300002"),
        ("opus",): (1, "11.25", "9", "2.25"),
    }
    haiku, opus = found.rows
    assert (haiku.figures.is_loss, opus.figures.is_loss) == (True, False)
    assert (haiku.figures.margin_percent, opus.figures.margin_percent) == (
        Decimal("-60.00"), Decimal("20.00"),
    )  # fmt: skip
    assert (found.total.events, found.total.margin) == (3, Decimal("1.949998"))
    assert found.asset == tokens.usd


def test_by_customer_and_model_of_one_organization(tokens: TokenWorld) -> None:
    tokens.add_customer("bolt")
    neighbour = open_token_world()
    neighbour.pay_vendor()
    tokens.call("opus", MILLION, 0)
    tokens.call("haiku", MILLION, 0, customer="bolt")
    neighbour.call("opus", MILLION, MILLION)
    assert rows(report(tokens, "customer", "model")) == {
        ("acme", "opus"): (1, "1.25", "1", "0.25"),
        ("bolt", "haiku"): (1, "0.5", "0.8", "-0.3"),
    }


def test_days_are_half_open_and_of_utc(tokens: TokenWorld) -> None:
    for moment in ("2025-02-28T23:59:59.999999Z", "2025-03-01T00:00:00Z",
                   "2025-03-02T01:00:00+02:00", "2025-03-02T00:00:00Z",
                   "2025-03-03T00:00:00Z"):  # fmt: skip
        tokens.call("opus", MILLION, 0, timestamp=moment)
    found = report(tokens, "day", days=(dt.date(2025, 3, 1), dt.date(2025, 3, 3)))
    assert rows(found) == {
        ("2025-03-01",): (2, "2.5", "2", "0.5"),
        ("2025-03-02",): (1, "1.25", "1", "0.25"),
    }


def test_by_meter_an_event_counts_with_each(tokens: TokenWorld) -> None:
    tokens.call("opus", MILLION, MILLION)
    tokens.call("opus", MILLION, 0)
    found = report(tokens, "meter", "model")
    assert rows(found) == {
        ("input_tokens", "opus"): (2, "2.5", "2", "0.5"),
        ("output_tokens", "opus"): (2, "10", "8", "2"),
    }
    assert (found.total.events, found.total.margin) == (2, Decimal("2.5"))


def test_by_any_property(tokens: TokenWorld) -> None:
    tokens.call("opus", MILLION, 0, properties={"team": {"name": "search"}, "a.b": Decimal("1.5")})
    tokens.call("opus", MILLION, 0)
    assert set(rows(report(tokens, "properties.team.name"))) == {("search",), (None,)}
    assert set(rows(report(tokens, "properties.a.b"))) == {("1.5",), (None,)}
    assert set(rows(report(tokens, "properties.team", "properties.odd 'name'\"%s"))) == {
        ('{"name": "search"}', None), (None, None),
    }  # fmt: skip


def test_events_of_unknown_cost_are_told_apart(tokens: TokenWorld) -> None:
    tokens.call("llama", MILLION, 0)
    tokens.call("opus", MILLION, 0)
    found = report(tokens)
    assert rows(found)["llama",] == (0, "0", "0", "0")
    llama = found.rows[0].figures
    assert llama.unknown_cost_events == 1
    assert llama.unknown_cost_revenue == 1
    assert llama.margin_percent is None
    assert (found.total.events, found.total.unknown_cost_events) == (1, 1)
    by_meter = report(tokens, "meter").total
    assert (by_meter.events, by_meter.unknown_cost_events) == (1, 1)
    assert by_meter.unknown_cost_revenue == 1


def in_credits(world: TokenWorld, *, also_in_dollars: bool) -> PlanVersion:
    """Return a plan that charges input in credits, and output in dollars if told."""
    draft: PlanVersion = PlanVersionFactory.create(plan__organization=world.organization)
    credit = AssetFactory.create(organization=world.organization, own_unit=True)
    PriceFactory.create(
        plan_version=draft,
        meter=world.meters["input_tokens"],
        asset=credit,
        definition={"charge_model": "per_unit", "unit_amount": "0.00001"},
    )
    if also_in_dollars:
        PriceFactory.create(
            plan_version=draft,
            meter=world.meters["output_tokens"],
            asset=world.usd,
            definition=by_model(SALES["output_tokens"]),
        )
    return publication.publish(version=draft, by=None, at=SINCE)


def subscribed(world: TokenWorld, version: PlanVersion) -> None:
    """Put a second customer, who has credits as well, on a plan."""
    world.plan_version = version
    customer = world.add_customer("credits-co")
    account = ledger.open_account(
        customer=customer,
        asset=AssetFactory.create(organization=world.organization, own_unit=True),
    )
    ledger.grant_credit(account=account, amount=Decimal(500), category=Category.PAID, at=SINCE)


def test_what_is_charged_in_other_assets_only_is_not_compared(tokens: TokenWorld) -> None:
    subscribed(tokens, in_credits(tokens, also_in_dollars=False))
    tokens.call("opus", MILLION, MILLION, customer="credits-co")
    tokens.call("opus", MILLION, 0)
    found = report(tokens)
    assert rows(found) == {("opus",): (1, "1.25", "1", "0.25")}
    opus = found.rows[0].figures
    assert opus.elsewhere_events == 1
    assert opus.elsewhere_cost == 9
    [other] = found.other_revenue
    assert (other.group, other.asset, other.events) == ({"model": "opus"}, "credits", 1)
    assert other.revenue == 10
    by_meter = report(tokens, "meter")
    assert by_meter.total.cost == 1
    assert by_meter.total.elsewhere_cost == 9
    assert [other.group for other in by_meter.other_revenue] == [{"meter": "input_tokens"}]


def test_what_is_also_charged_in_dollars_is_compared_by_them(tokens: TokenWorld) -> None:
    subscribed(tokens, in_credits(tokens, also_in_dollars=True))
    tokens.call("opus", MILLION, MILLION, customer="credits-co")
    found = report(tokens)
    assert rows(found) == {("opus",): (1, "10", "9", "1")}
    [other] = found.other_revenue
    assert other.asset == "credits"
    assert other.revenue == 10


def test_an_event_that_earned_nothing_still_cost(tokens: TokenWorld) -> None:
    draft = PlanVersionFactory.create(plan__organization=tokens.organization)
    other = MeterFactory.create(
        organization=tokens.organization,
        event_type="completion",
        filters={"billed": "yes"},
        counting=True,
    )
    PriceFactory.create(plan_version=draft, meter=other, asset=tokens.usd)
    subscribed(tokens, publication.publish(version=draft, by=None, at=SINCE))
    tokens.call("opus", MILLION, 0, customer="credits-co")
    assert rows(report(tokens)) == {("opus",): (1, "0", "1", "-1")}
    assert rows(report(tokens, "meter"))["input_tokens",] == (1, "0", "1", "-1")


def test_without_events_there_is_a_total_and_no_row(tokens: TokenWorld) -> None:
    for group in ("model", "meter"):
        found = report(tokens, group)
        assert (found.rows, found.other_revenue, found.total.events) == ([], [], 0)


def test_without_a_cost_policy_there_is_no_report() -> None:
    world = open_token_world()
    with pytest.raises(NoCostAsset):
        report(world)
    CostPolicyFactory.create()
    with pytest.raises(NoCostAsset):
        report(world)


@pytest.mark.parametrize(
    "group_by",
    [
        ["custmer"], ["model", "model"], ["properties."], ["properties.\0"], [""], ["Model"],
        ["properties." + "x" * 101], ["a", "b", "c", "d", "e"], ["customer; DROP TABLE x"],
    ],
)  # fmt: skip
def test_what_cannot_be_grouped_by_is_refused(tokens: TokenWorld, group_by: list[str]) -> None:
    with pytest.raises(ReportInvalid) as error:
        report(tokens, *group_by)
    assert error.value.field == "group_by"


def test_something_has_to_be_grouped_by(tokens: TokenWorld) -> None:
    with pytest.raises(ReportInvalid, match="must name 1 to 4"):
        margins.report(
            organization_id=tokens.organization.id, start=MARCH[0], end=MARCH[1], group_by=[]
        )


@pytest.mark.parametrize("end", [dt.date(2025, 3, 1), dt.date(2024, 3, 1), dt.date(2026, 3, 3)])
def test_days_are_a_range_of_at_most_a_year(tokens: TokenWorld, end: dt.date) -> None:
    with pytest.raises(ReportInvalid) as error:
        report(tokens, days=(MARCH[0], end))
    assert error.value.field == "to"


def test_more_rows_than_anybody_reads_are_refused(
    tokens: TokenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        tokens.call("opus", 1, 1, properties={"session": f"s{n}"})
    monkeypatch.setattr(margins, "ROWS_MAX", 3)
    assert len(report(tokens, "properties.session").rows) == 3
    monkeypatch.setattr(margins, "ROWS_MAX", 2)
    with pytest.raises(TooManyRows):
        report(tokens, "properties.session")
