"""Which events a plan's entitlements forbid."""

from decimal import Decimal

import pytest

from pricing.entitlements import Refusal, Rule, refusals

MODELS = Rule(
    feature="models",
    kind="values",
    property_name="model",
    allowed_values=frozenset({"opus", "4", "true"}),
)
NESTED = Rule(
    feature="regions", kind="values", property_name="at.region", allowed_values=frozenset({"eu"})
)
MINUTES = Rule(feature="minutes", kind="metered", meter="video_minutes", limit=Decimal(300))
OTHERS = [Rule(feature="sso", kind="boolean"), Rule(feature="context", kind="static")]


@pytest.mark.parametrize(
    ("properties", "allowed"),
    [
        ({"model": "opus"}, True),
        ({"model": 4}, True),
        ({"model": True}, True),
        ({}, True),
        ({"model": None}, True),
        ({"model": "haiku"}, False),
        ({"model": "Opus"}, False),
        ({"model": 5}, False),
        ({"model": ["opus"]}, False),
        ({"model": ""}, False),
        ({"model": "opus", "at": {"region": "eu"}}, True),
        ({"model": "opus", "at": {"region": "us"}}, False),
    ],
)
def test_a_property_may_have_some_values_only(
    properties: dict[str, object], *, allowed: bool
) -> None:
    found = refusals([MODELS, NESTED, *OTHERS], properties=properties, used={})
    assert (found == []) is allowed


@pytest.mark.parametrize(
    ("used", "allowed"), [("0", True), ("300", True), ("300.000000000001", False)]
)
def test_a_meter_may_reach_its_limit_and_not_pass_it(used: str, *, allowed: bool) -> None:
    found = refusals([MINUTES], properties={}, used={"video_minutes": Decimal(used)})
    assert (found == []) is allowed


def test_another_meter_has_no_limit() -> None:
    assert refusals([MINUTES], properties={}, used={"seconds": Decimal(9000)}) == []


def test_every_reason_is_told() -> None:
    found = refusals(
        [MODELS, NESTED, *OTHERS, MINUTES],
        properties={"model": "haiku", "at": {"region": "us"}},
        used={"video_minutes": Decimal(301)},
    )
    assert found == [
        Refusal("models", "not_entitled", "the plan does not include model haiku"),
        Refusal("regions", "not_entitled", "the plan does not include at.region us"),
        Refusal(
            "minutes",
            "limit_reached",
            "the plan includes 300 of video_minutes in a billing period",
        ),
    ]


def test_nothing_is_forbidden_without_entitlements() -> None:
    used = {"video_minutes": Decimal(1)}
    assert refusals([], properties={"model": "any"}, used=used) == []
