"""The plan templates: each is whole, and all of them fit into one organization."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pricing import price_form, templates_catalog
from pricing.templates_catalog import Template, TemplateBroken, TemplateUnknown, reading
from tests.pricing.plan_tariffs import meter_specs, prices_of

TEMPLATES = templates_catalog.all_templates()
SYSTEMS = {
    "OpenAI", "Anthropic", "Midjourney", "Intercom", "Amazon Web Services", "Google Cloud",
    "Microsoft Azure", "Clay", "Figma", "HubSpot", "Cohere", "Lovable", "Drawdown",
}  # fmt: skip
HEADER = {
    "id": "video",
    "title": "Video",
    "summary": "Minutes.",
    "source": {"publisher": "Drawdown", "page": ""},
    "as_of": "2026-11-25",
    "notes": [],
}

each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: each.id)


def _plan(template_id: str) -> dict[str, Any]:
    return templates_catalog.find(template_id).plan


def _rows(kind: str) -> Iterator[Mapping[str, Any]]:
    for template in TEMPLATES:
        yield from template.plan[kind]


class TestReading:
    def test_a_template_is_found_by_its_id(self) -> None:
        assert templates_catalog.find("aws_lambda").title == "AWS Lambda"

    def test_an_unknown_id(self) -> None:
        with pytest.raises(TemplateUnknown, match="no template nonsense"):
            templates_catalog.find("nonsense")

    def test_the_header_is_typed_and_the_plan_is_the_rest(self) -> None:
        template = templates_catalog.read(json.dumps({"template": HEADER, "code": "x"}).encode())
        assert (template.as_of.year, template.source.publisher) == (2026, "Drawdown")
        assert template.plan == {"code": "x"}

    @pytest.mark.parametrize(
        ("document", "message"),
        [
            ("[", "truncated"),
            ("[]", "no object with a template"),
            ("{}", "no object with a template"),
            ('{"template": null}', "no object with a template"),
            (json.dumps({"template": {**HEADER, "as_of": "May"}}), "date"),
            (json.dumps({"template": {**HEADER, "asof": "2026-11-25"}}), "asof"),
            (json.dumps({"template": {"id": "video"}}), "title"),
        ],
    )
    def test_a_broken_header_is_refused(self, document: str, message: str) -> None:
        with pytest.raises(TemplateBroken, match=message):
            templates_catalog.read(document.encode())


class TestEachTemplate:
    def test_every_file_is_named_after_its_template(self) -> None:
        files = {path.stem for path in reading.DOCUMENTS.iterdir()}
        assert files == {template.id for template in TEMPLATES}

    @each_template
    def test_it_says_where_it_comes_from_and_what_to_send(self, template: Template) -> None:
        assert template.title
        assert template.summary
        assert template.source.page or template.source.publisher == "Drawdown"
        sent = {meter["event_type"] for meter in template.plan["meters"]}
        notes = " ".join(template.notes)
        assert {event for event in sent if f"Send {event} with" not in notes} == set()

    @each_template
    def test_its_prices_can_be_charged(self, template: Template) -> None:
        meters = meter_specs(template.plan)
        for price in prices_of(template.plan):
            assert price_form.check_against_meter(price.compiled.terms, meters[price.name]) == []

    @each_template
    def test_it_needs_nothing_it_does_not_describe(self, template: Template) -> None:
        plan = template.plan
        assert {price["meter"] for price in plan["prices"]} == meter_specs(plan).keys()
        named = {price["asset"] for price in plan["prices"]}
        named |= {credit["asset"] for credit in plan.get("included_credits", ())}
        named |= {plan[fee]["asset"] for fee in ("base_fee", "seats") if fee in plan}
        assert named == {asset["code"] for asset in plan["assets"]}


class TestAllTemplates:
    def test_every_system_is_there(self) -> None:
        assert {template.source.publisher for template in TEMPLATES} == SYSTEMS

    @pytest.mark.parametrize("kind", ["assets", "meters"])
    def test_they_agree_on_what_they_share(self, kind: str) -> None:
        """An organization that makes plans of all of them has each meter and asset once."""
        described: dict[str, Mapping[str, Any]] = {}
        for row in _rows(kind):
            assert described.setdefault(row["code"], row) == row


class TestTheTokenLists:
    def test_openai_has_twenty_models_and_five_kinds_of_tokens(self) -> None:
        prices = _plan("openai_tokens")["prices"]
        models = {cell["match"]["model"] for price in prices for cell in price["matrix"]["cells"]}
        assert len(models) >= 20
        assert len(prices) >= 5

    @pytest.mark.parametrize(
        "template_id",
        ["anthropic_tokens_2026_02", "anthropic_tokens_2026_03", "anthropic_tokens"],
    )
    def test_anthropic_prices_five_kinds_of_tokens_for_every_model(self, template_id: str) -> None:
        prices = _plan(template_id)["prices"]
        models = [{cell["match"]["model"] for cell in price["matrix"]["cells"]} for price in prices]
        assert len(models) == 5
        assert all(each == models[0] for each in models)

    def test_a_change_of_prices_is_a_later_version_of_the_same_plan(self) -> None:
        before, after = _plan("anthropic_tokens_2026_02"), _plan("anthropic_tokens_2026_03")
        assert before["code"] == after["code"]
        assert before["meters"] == after["meters"]
        assert before["effective_from"] < after["effective_from"]
        assert before["prices"] != after["prices"]
