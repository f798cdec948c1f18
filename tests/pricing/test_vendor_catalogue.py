"""What model vendors charge, as installed data has it, held against its own reckoning."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from pricing import cost_book, filters, vendor_catalogue
from pricing.aggregation import MeterSpec
from pricing.cost_book import CostBook, VendorRate
from pricing.rating import compile_price
from pricing.vendor_catalogue import Naming, UnknownVendor, VendorPrice

AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PLAIN = Naming(quantities={})
VENDORS = ["anthropic", "openai", "google", "x-ai", "deepseek"]


def prices(vendor: str, naming: Naming = PLAIN, at: dt.datetime = AT) -> dict[str, VendorPrice]:
    return {
        price.kind: price for price in vendor_catalogue.price_list(vendor, at=at, naming=naming)
    }


def compiled(price: VendorPrice) -> VendorRate:
    meter = MeterSpec(
        code=price.kind,
        event_type="completion",
        aggregation="sum",
        value=price.kind,
        filter=filters.parse({price.kind: {"exists": True}}),
    )
    rate = compile_price(meter=meter, definition=price.definition)
    assert cost_book.reasons_against(rate.terms, meter) == []
    return VendorRate(vendor=price.vendor, compiled=rate)


def names_in(price: VendorPrice) -> set[str]:
    return {cell["match"].get("model", "*") for cell in price.definition["matrix"]["cells"]}


def reckoned(vendor: str, model: str, tokens: dict[str, int]) -> Decimal:
    """What the data's own library makes of it; there input counts what is cached as well."""
    usage = {**tokens, "input_tokens": sum(tokens.values()) - tokens["output_tokens"]}
    calculated = calc_price(Usage(**usage), model, provider_id=vendor, genai_request_timestamp=AT)
    return calculated.total_price


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("size", [1_000, 90_001, 300_000])
def test_every_model_costs_what_the_data_says(vendor: str, size: int) -> None:
    listed = prices(vendor)
    book = CostBook([compiled(price) for price in listed.values()])
    tokens = {
        "input_tokens": size,
        "output_tokens": 777,
        "cache_read_tokens": 333,
        "cache_write_tokens": 0,
    }
    compared = 0
    for model in names_in(listed["input_tokens"]) & names_in(listed["output_tokens"]):
        ours = book.cost_of("completion", {"model": model, **tokens})
        if ours is None:
            continue  # A kind of usage that has no price there, nor has anything it is a case of.
        assert ours == reckoned(vendor, model, tokens), model
        compared += 1
    assert compared > 5


def test_a_size_of_request_is_a_range_of_its_own() -> None:
    cells = prices("anthropic")["input_tokens"].definition["matrix"]["cells"]
    sonnet = [cell for cell in cells if cell["match"]["model"] == "claude-sonnet-4-5"]
    above = {"gt": "200000"}
    assert [cell for cell in sonnet if "processing" not in cell["match"]] == [
        {"match": {"model": "claude-sonnet-4-5"}, "unit_amount": "3"},
        {"match": {"model": "claude-sonnet-4-5", "prompt": above}, "unit_amount": "6"},
    ]


def test_a_way_of_asking_that_costs_something_else_is_a_dimension() -> None:
    batch = cost_of("anthropic", model="claude-sonnet-4-5", input_tokens=1000, processing="batch")
    usual = cost_of("anthropic", model="claude-sonnet-4-5", input_tokens=1000)
    assert usual is not None
    assert batch == usual / 2


def cost_of(vendor: str, naming: Naming = PLAIN, **event: Any) -> Decimal | None:
    book = CostBook([compiled(price) for price in prices(vendor, naming).values()])
    return book.cost_of("completion", event)


def test_what_has_no_price_of_its_own_costs_what_it_is_a_case_of() -> None:
    cached = cost_of("anthropic", model="claude-2", cache_read_tokens=1_000_000)
    assert cached == cost_of("anthropic", model="claude-2", input_tokens=1_000_000) == 8


def test_models_go_by_the_names_events_use() -> None:
    dated = "claude-sonnet-4-5-20250929"
    assert cost_of("anthropic", model=dated, input_tokens=10) is None
    known = Naming(quantities={}, names=[dated, "unheard-of"])
    assert cost_of("anthropic", known, model=dated, input_tokens=1_000_000) == 6
    assert cost_of("anthropic", known, model="unheard-of", input_tokens=10) is None


def test_events_that_name_their_vendor_are_matched_by_it() -> None:
    naming = Naming(quantities={}, vendor_property="provider")
    event = {"model": "claude-2", "input_tokens": 1_000_000}
    assert cost_of("anthropic", naming, **event, provider="anthropic") == 8
    assert cost_of("anthropic", naming, **event, provider="aws") is None


def test_the_size_of_a_request_adds_up_the_properties_that_count_it() -> None:
    naming = Naming(quantities={"input_tokens": "(usage.total - usage.cached)"})
    matrix = prices("anthropic", naming)["output_tokens"].definition["matrix"]
    assert matrix["dimensions"][-1]["name"] == "prompt"
    assert matrix["dimensions"][-1]["expression"].startswith(
        "(usage.total - usage.cached) + default(cache_read_tokens, 0) + "
    )


def test_every_event_is_a_request_and_most_vendors_take_nothing_for_one() -> None:
    cells = prices("perplexity")["requests"].definition["matrix"]["cells"]
    assert cells[-1] == {"match": {}, "unit_amount": "0"}


def test_a_price_that_changed_on_a_day_is_that_of_its_time() -> None:
    before = prices("anthropic", at=dt.datetime(2026, 10, 13, tzinfo=dt.UTC))["input_tokens"]
    after = prices("anthropic", at=dt.datetime(2026, 10, 14, tzinfo=dt.UTC))["input_tokens"]
    assert before.definition != after.definition


def test_reading_twice_says_the_same() -> None:
    midnight, noon = AT, AT + dt.timedelta(hours=12)
    for vendor in VENDORS:
        assert prices(vendor, at=midnight) == prices(vendor, at=noon)


def test_an_unknown_vendor_is_refused() -> None:
    with pytest.raises(UnknownVendor):
        vendor_catalogue.kinds_of("acme", at=AT)
    assert "acme" not in vendor_catalogue.vendors()
