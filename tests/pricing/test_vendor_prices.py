"""Importing what model vendors charge."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Asset, Organization
from pricing import costs, vendor_prices
from pricing.cost_rates import CostRateInvalid
from pricing.models import Aggregation, CostPolicy, CostRate, Meter
from pricing.vendor_prices import CannotImport, Change, Imported, UnknownVendor
from tests.clock import DAY, NOW, SINCE
from tests.factories import AssetFactory, CostPolicyFactory, MeterFactory, OrganizationFactory

pytestmark = pytest.mark.django_db

CALL = {"model": "claude-2", "input_tokens": 1_000_000, "output_tokens": 1_000_000}


@pytest.fixture
def organization() -> Organization:
    return OrganizationFactory.create(slug="lumen")


def imported(organization: Organization, *vendors: str, **terms: Any) -> list[Imported]:
    terms = {"event_type": "completion", "at": NOW, **terms}
    return vendor_prices.import_prices(
        organization=organization, vendors=vendors or ("anthropic",), **terms
    )


def changes(done: list[Imported]) -> set[Change]:
    return {each.change for each in done}


def test_a_first_import_writes_meters_rates_and_the_policy(organization: Organization) -> None:
    done = imported(organization)
    assert changes(done) == {Change.NEW}
    assert {each.meter for each in done} >= {
        "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
    }  # fmt: skip
    meter = Meter.objects.get(code="cache_read_tokens")
    assert (meter.event_type, meter.quantity_property) == ("completion", "cache_read_tokens")
    assert (meter.name, meter.unit) == ("Cache read tokens", "token")
    assert CostPolicy.objects.get().asset.code == "USD"
    assert CostRate.objects.count() == len(done)
    book = costs.compiled_costs(organization.id, NOW)
    assert book.cost_of("completion", CALL) == 8 + 24
    assert book.cost_of("completion", {**CALL, "model": "llama"}) is None


def test_importing_again_writes_nothing(organization: Organization) -> None:
    imported(organization, "anthropic", "openai")
    again = imported(organization, "anthropic", "openai", at=NOW + DAY)
    assert changes(again) == {Change.UNCHANGED}
    assert CostRate.objects.count() == len(again)


def test_a_changed_price_is_another_rate(organization: Organization) -> None:
    imported(organization)
    again = imported(organization, at=NOW + DAY, names=["claude-sonnet-4-5-20250929"])
    assert changes(again) == {Change.CHANGED}
    assert CostRate.objects.filter(effective_from=NOW + DAY).count() == len(again)
    sonnet = {"model": "claude-sonnet-4-5-20250929", "input_tokens": 1_000}
    assert costs.compiled_costs(organization.id, NOW).cost_of("completion", sonnet) is None
    assert costs.compiled_costs(organization.id, NOW + DAY).cost_of("completion", sonnet)


def test_rates_may_hold_from_an_earlier_day(organization: Organization) -> None:
    imported(organization, effective_from=SINCE)
    assert costs.compiled_costs(organization.id, SINCE).cost_of("completion", CALL) == 32


def test_meters_that_exist_are_used_as_they_are(organization: Organization) -> None:
    MeterFactory.create(
        organization=organization,
        code="input_tokens",
        event_type="completion",
        quantity_property="prompt",
    )
    imported(organization)
    book = costs.compiled_costs(organization.id, NOW)
    assert book.cost_of("completion", {"model": "claude-2", "prompt": 500_000}) == 4


def test_the_size_of_a_request_is_what_those_meters_count(organization: Organization) -> None:
    here = {"organization": organization, "event_type": "completion"}
    MeterFactory.create(**here, code="input_tokens", quantity_property="prompt tokens")
    MeterFactory.create(
        **here, code="cache_read_tokens", quantity_property="", expression="cached * 1"
    )
    imported(organization)
    book = costs.compiled_costs(organization.id, NOW)
    long = {"model": "claude-sonnet-4-5", "prompt tokens": 150_000, "cached": 100_000}
    assert book.cost_of("completion", long) == Decimal("0.9") + Decimal("0.06")
    short = {**long, "cached": 10_000}
    assert book.cost_of("completion", short) == Decimal("0.45") + Decimal("0.003")


def test_a_meter_of_other_events_stops_the_import(organization: Organization) -> None:
    MeterFactory.create(organization=organization, code="output_tokens", event_type="chat")
    with pytest.raises(CannotImport, match="counts events of type chat"):
        imported(organization)
    assert (CostRate.objects.count(), CostPolicy.objects.count()) == (0, 0)


def test_costs_in_another_asset_stop_the_import(organization: Organization) -> None:
    euro = AssetFactory.create(organization=organization, code="EUR", name="Euro")
    CostPolicyFactory.create(organization=organization, asset=euro)
    with pytest.raises(CannotImport, match="costs are kept in EUR"):
        imported(organization)


def test_a_unit_that_is_only_called_like_dollars_stops_the_import(
    organization: Organization,
) -> None:
    AssetFactory.create(organization=organization, is_currency=False)
    with pytest.raises(CannotImport):
        imported(organization)
    assert Asset.objects.count() == 1


def test_an_unknown_vendor_stops_the_import(organization: Organization) -> None:
    with pytest.raises(UnknownVendor, match="acme"):
        imported(organization, "anthropic", "acme")
    assert CostRate.objects.count() == 0


def test_no_import_reaches_behind_rates_in_force(organization: Organization) -> None:
    imported(organization)
    with pytest.raises(CostRateInvalid, match="must be later"):
        imported(organization, effective_from=NOW - DAY)


def test_requests_are_counted(organization: Organization) -> None:
    imported(organization, "perplexity")
    assert Meter.objects.get(code="requests").aggregation == Aggregation.COUNT


def command(**options: Any) -> str:
    said = StringIO()
    call_command("import_vendor_prices", stdout=said, **options)
    return said.getvalue()


def test_the_command_says_what_it_did(organization: Organization) -> None:
    options = {"organization": "lumen", "vendors": ["anthropic"], "effective_from": None}
    first = command(**options)
    assert "input_tokens" in first
    assert "27 models" in first
    assert first.count("new") == CostRate.objects.count()
    assert command(**options).count("unchanged") == CostRate.objects.count()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"organization": "nobody"}, "no organization nobody"),
        ({"vendors": ["acme"]}, "known are anthropic"),
        ({"effective_from": "yesterday"}, "must be an RFC 3339 time"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    organization: Organization, options: dict[str, Any], reason: str
) -> None:
    usual = {"organization": "lumen", "vendors": ["anthropic"]}
    with pytest.raises(CommandError, match=reason):
        command(**{**usual, **options})
