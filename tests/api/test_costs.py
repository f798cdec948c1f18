"""The API of costs and margins: for keys that may do everything, and for nobody else."""

from typing import Any

import pytest

from accounts.models import Scope
from pricing.models import CostRate
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller, caller_of
from tests.factories import CostPolicyFactory, CostRateFactory, MeterFactory
from tests.token_world import TokenWorld, open_token_world
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

MILLION = 1_000_000
RATE = {
    "meter": "video_minutes",
    "vendor": "renderer",
    "effective_from": "2025-01-01T00:00:00Z",
    "definition": {"charge_model": "per_unit", "unit_amount": "0.25"},
}
LATER = {**RATE, "effective_from": "2999-01-01T00:00:00Z"}


def with_policy(api: Caller) -> Caller:
    assert api.send("PUT", "cost-policy", b'{"asset": "USD"}').status == 200
    return api


class TestPolicy:
    def test_is_set_and_read(self, api: Caller) -> None:
        api.get("cost-policy").problem(404, "not_found")
        strict = b'{"asset": "USD", "refuse_below_cost": true}'
        assert api.send("PUT", "cost-policy", strict).json == {
            "asset": "USD", "refuse_below_cost": True,
        }  # fmt: skip
        assert with_policy(api).get("cost-policy").json == {
            "asset": "USD", "refuse_below_cost": False,
        }  # fmt: skip

    def test_is_refused_by_its_fields(self, api: Caller) -> None:
        assert api.send("PUT", "cost-policy", b"{}").wrong_fields() == ["asset"]
        assert api.send("PUT", "cost-policy", b'{"asset": "EUR"}').wrong_fields() == ["asset"]
        odd = b'{"asset": "USD", "strict": true}'
        assert api.send("PUT", "cost-policy", odd).wrong_fields() == ["strict"]

    def test_stays_in_its_asset_once_there_are_rates(self, api: Caller, video: VideoWorld) -> None:
        CostPolicyFactory.create(organization=video.organization, asset__code="EUR")
        CostRateFactory.create(meter=video.minutes)
        api.send("PUT", "cost-policy", b'{"asset": "USD"}').problem(409, "conflict")


class TestRates:
    def test_are_written_listed_and_read(self, api: Caller) -> None:
        made = with_policy(api).post("cost-rates", RATE)
        assert made.status == 201
        assert made.json["definition"] == RATE["definition"]
        assert api.get("cost-rates").json["results"] == [made.json]
        assert api.get(f"cost-rates/{made.json['id']}").json == made.json

    def test_hold_from_now_on_unless_told(self, api: Caller) -> None:
        terms = {name: value for name, value in RATE.items() if name != "effective_from"}
        made = with_policy(api).post("cost-rates", terms)
        assert made.json["effective_from"] == made.json["created_at"]

    def test_to_come_are_withdrawn_and_others_stay(self, api: Caller) -> None:
        planned = with_policy(api).post("cost-rates", LATER).json["id"]
        in_force = api.post("cost-rates", RATE).json["id"]
        assert api.send("DELETE", f"cost-rates/{planned}").status == 204
        api.send("DELETE", f"cost-rates/{planned}").problem(404)
        api.send("DELETE", f"cost-rates/{in_force}").problem(409, "conflict")
        assert CostRate.objects.count() == 1

    def test_of_a_neighbour_are_unknown(self, api: Caller) -> None:
        stranger = CostRateFactory.create(planned=True)
        api.get(f"cost-rates/{stranger.id}").problem(404)
        api.send("DELETE", f"cost-rates/{stranger.id}").problem(404)
        assert api.get("cost-rates").json["results"] == []
        foreign = MeterFactory.create(code="foreign_meter")
        answer = with_policy(api).post("cost-rates", {**RATE, "meter": foreign.code})
        assert answer.wrong_fields() == ["meter"]

    def test_need_a_policy_first(self, api: Caller) -> None:
        assert api.post("cost-rates", RATE).wrong_fields() == ["asset"]

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            ({"meter": "unknown"}, ["meter"]),
            ({"meter": 5}, ["meter"]),
            ({"vendor": "Not a code"}, ["vendor"]),
            ({"effective_from": "2025-01-01"}, ["effective_from"]),
            ({"definition": []}, ["definition"]),
            ({"definition": {}}, ["definition.charge_model"]),
            ({"definition": {"charge_model": "per_unit", "unit_amount": 1.5, "x": 1}},
             ["definition.x"]),
            ({"definition": {"charge_model": "flat", "flat_amount": "1"}},
             ["definition.charge_model"]),
            ({"price": "1"}, ["price"]),
        ],
    )  # fmt: skip
    def test_are_refused_by_their_fields(
        self, api: Caller, change: dict[str, Any], fields: list[str]
    ) -> None:
        assert with_policy(api).post("cost-rates", {**RATE, **change}).wrong_fields() == fields
        assert CostRate.objects.count() == 0

    def test_take_numbers_digit_for_digit(self, api: Caller) -> None:
        definition = b'{"charge_model": "per_unit", "unit_amount": 0.123456789012}'
        body = b'{"meter": "video_minutes", "vendor": "x", "definition": ' + definition + b"}"
        made = with_policy(api).send("POST", "cost-rates", body)
        assert made.json["definition"]["unit_amount"] == "0.123456789012"


class TestCostOfAnEvent:
    def test_is_shown_to_keys_that_may_do_everything(self, api: Caller, video: VideoWorld) -> None:
        with_policy(api).post("cost-rates", RATE)
        answered = api.post("events", fast_minutes(video, "2"))
        assert "cost" not in answered.json
        assert api.get("events/event-1").json["cost"] == {
            "asset": "USD", "amount": "0.5", "parts": {"video_minutes": "0.5"},
        }  # fmt: skip
        reader = caller_of(video.organization, Scope.READ)
        assert reader.get("events/event-1").json["cost"] is None
        listed = reader.get("events", customer=video.customer.external_id)
        assert "cost" not in listed.json["results"][0]

    def test_is_null_where_it_is_not_known(self, api: Caller, video: VideoWorld) -> None:
        api.post("events", fast_minutes(video))
        assert api.get("events/event-1").json["cost"] is None


@pytest.fixture
def tokens() -> TokenWorld:
    world = open_token_world()
    world.pay_vendor()
    return world


def margins(world: TokenWorld, **query: str) -> Any:
    asked = {"group_by": "model", "from": "2025-03-01", "to": "2025-04-01", **query}
    return caller_of(world.organization).get("margins", **asked)


class TestMargins:
    def test_are_answered_group_by_group(self, tokens: TokenWorld) -> None:
        tokens.call("haiku", MILLION, 0)
        tokens.call("llama", MILLION, 0)
        answer = margins(tokens, group_by="customer,model").json
        figures = {"events": 1, "revenue": "0.5", "cost": "0.8", "margin": "-0.3"}
        unknown = {"unknown_cost": {"events": 0, "revenue": "0"},
                   "other_assets_only": {"events": 0, "cost": "0"}}  # fmt: skip
        assert answer["results"][0] == {
            "group": {"customer": "acme", "model": "haiku"},
            **figures,
            "margin_percent": "-60",
            **unknown,
        }
        assert answer["results"][1]["unknown_cost"] == {"events": 1, "revenue": "1"}
        assert answer["total"]["margin"] == "-0.3"
        assert (answer["from"], answer["to"], answer["asset"]) == (
            "2025-03-01", "2025-04-01", "USD",
        )  # fmt: skip
        assert answer["group_by"] == ["customer", "model"]
        assert answer["other_revenue"] == []

    def test_tell_a_missing_property(self, tokens: TokenWorld) -> None:
        tokens.call("opus", 1, 1)
        [row] = margins(tokens, group_by="properties.team").json["results"]
        assert row["group"] == {"properties.team": None}

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ({"group_by": ""}, ["group_by"]),
            ({"group_by": "custmer"}, ["group_by"]),
            ({"group_by": "model,model"}, ["group_by"]),
            ({"group_by": "model,"}, ["group_by"]),
            ({"group_by": "properties.\0"}, ["group_by"]),
            ({"from": ""}, ["from"]),
            ({"from": "2025-02-30"}, ["from"]),
            ({"from": "٢٠٢٥-01-01"}, ["from"]),
            ({"from": "1999-12-31"}, ["from"]),
            ({"to": "3000-01-01"}, ["to"]),
            ({"to": "2025-03-01"}, ["to"]),
            ({"to": "2027-03-01"}, ["to"]),
            ({"by": "day"}, ["by"]),
            ({"from": "x", "to": "y", "group_by": ""}, ["group_by", "from", "to"]),
        ],
    )
    def test_are_refused_by_their_fields(
        self, tokens: TokenWorld, query: dict[str, str], fields: list[str]
    ) -> None:
        assert margins(tokens, **query).wrong_fields() == fields

    def test_need_a_cost_policy(self) -> None:
        margins(open_token_world()).problem(409, "no_cost_policy")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "cost-policy"), ("PUT", "cost-policy"), ("GET", "cost-rates"),
        ("POST", "cost-rates"), ("GET", "margins"),
        ("DELETE", "cost-rates/01a211e4-8f85-7bfd-bdb2-ebcd31fa992b"),
    ],
)  # fmt: skip
def test_other_keys_see_nothing_of_it(video: VideoWorld, method: str, path: str) -> None:
    scopes = [scope for scope in Scope if scope != Scope.ADMIN]
    api = caller_of(video.organization, *scopes)
    api.send(method, path, b"{}").problem(403)
