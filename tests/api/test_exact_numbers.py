"""Every digit that comes in is charged, stored and shown; no number ever becomes a float."""

import json
from decimal import Decimal

import pytest

from metering.models import Event
from tests.api.bodies import fast_minutes
from tests.api.callers import Caller
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

LONG = "123456789012345678.123456789"


@pytest.mark.parametrize("quantity", [LONG, Decimal(LONG)], ids=["text", "number"])
def test_a_long_quantity_is_charged_to_the_last_digit(
    api: Caller, video: VideoWorld, quantity: object
) -> None:
    grant = {"asset": "USD", "amount": quantity}
    assert api.post(f"customers/{video.customer.external_id}/grants", grant).status == 201
    charged = api.post("events", fast_minutes(video, quantity))
    assert charged.json["amount"] == LONG
    shown = api.get("events/event-1")
    assert shown.json["properties"]["minutes"] == quantity
    assert shown.json["rated"][0]["quantity"] == LONG
    assert shown.json["ledger"][-1]["balance_after"] == "100"


@pytest.mark.parametrize("sent", ["1.50", "0.1", "1e2", "100", "-0.000", "1" + "0" * 99])
def test_a_number_in_the_properties_stays_the_number_it_was(
    api: Caller, video: VideoWorld, sent: str
) -> None:
    properties = {"minutes": "1", "speed": "fast", "note": Decimal(sent), "list": [Decimal(sent)]}
    api.post("events", fast_minutes(video, properties=properties))
    shown = api.get("events/event-1").json["properties"]
    assert shown["note"] == Decimal(sent)
    assert shown["list"] == [Decimal(sent)]
    assert Event.objects.get().properties["note"] == Decimal(sent)


def test_no_answer_writes_an_amount_as_a_number_or_with_an_exponent(
    api: Caller, video: VideoWorld
) -> None:
    customer = f"customers/{video.customer.external_id}"
    video.grant("0.000000000001")
    texts = [
        api.post("events", fast_minutes(video, "0.0000001")).content,
        api.get("events/event-1").content,
        api.get(f"{customer}/balance").content,
        api.get(f"{customer}/grants").content,
        api.post(f"{customer}/alerts", {"asset": "USD", "threshold": 1000000000000}).content,
    ]
    for text in texts:
        json.loads(text, parse_float=lambda number: pytest.fail(f"{number} is no text"))
        assert b"E-" not in text
        assert b"E+" not in text


def test_the_smallest_amount_counts(api: Caller, video: VideoWorld) -> None:
    answer = api.post("events", fast_minutes(video, "0.000000000001"))
    assert answer.json["amount"] == "0.000000000001"
    assert answer.json["balance"] == "99.999999999999"
