"""Which events a plan's entitlements forbid."""

from decimal import Decimal

import pytest

from pricing.entitlements import Refusal, Rule, refusal

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
    found = refusal([MODELS, NESTED, *OTHERS], properties=properties, used={})
    assert (found is None) is allowed


@pytest.mark.parametrize(
    ("used", "allowed"), [("0", True), ("300", True), ("300.000000000001", False)]
)
def test_a_meter_may_reach_its_limit_and_not_pass_it(used: str, *, allowed: bool) -> None:
    found = refusal([MINUTES], properties={}, used={"video_minutes": Decimal(used)})
    assert (found is None) is allowed


def test_another_meter_has_no_limit() -> None:
    assert refusal([MINUTES], properties={}, used={"seconds": Decimal(9000)}) is None


def test_a_refusal_says_why() -> None:
    assert refusal([MODELS], properties={"model": "haiku"}, used={}) == Refusal(
        "models", "not_entitled", "the plan does not include model haiku"
    )
    assert refusal([MINUTES], properties={}, used={"video_minutes": Decimal(301)}) == Refusal(
        "minutes", "limit_reached", "the plan includes 300 of video_minutes in a billing period"
    )


def test_nothing_is_forbidden_without_entitlements() -> None:
    assert refusal([], properties={"model": "any"}, used={"video_minutes": Decimal(1)}) is None
