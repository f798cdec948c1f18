"""Caps as people look at them: what a window holds, when it ends, and the caps in words."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from metering import cap_words, caps
from metering.models import SpendCap
from metering.spend_caps import Window, window_end, window_start
from tests.clock import DAY, HOUR, NOW, SINCE
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("window", "moment", "start", "end"),
    [
        (Window.HOUR, "2025-03-10T12:30+01:00", "2025-03-10T11:00Z", "2025-03-10T12:00Z"),
        (Window.DAY, "2025-03-30T12:00+02:00", "2025-03-29T23:00Z", "2025-03-30T22:00Z"),
        (Window.DAY, "2025-10-26T12:00+01:00", "2025-10-25T22:00Z", "2025-10-26T23:00Z"),
        (Window.MONTH, "2025-03-10T12:00+01:00", "2025-02-28T23:00Z", "2025-03-31T22:00Z"),
        (Window.MONTH, "2025-12-31T23:59+01:00", "2025-11-30T23:00Z", "2025-12-31T23:00Z"),
        (Window.MONTH, "2025-02-28T12:00+01:00", "2025-01-31T23:00Z", "2025-02-28T23:00Z"),
        (Window.PERIOD, "2025-03-10T12:00+01:00", "2025-01-01T00:00Z", "2025-04-01T00:00Z"),
    ],
)
def test_a_window_ends_where_the_next_one_begins(
    window: Window, moment: str, start: str, end: str
) -> None:
    starts_at = window_start(window, at=at(moment), zone=BERLIN, period_starts_at=SINCE)
    ends_at = window_end(
        window, start=starts_at, zone=BERLIN, period_ends_at=at("2025-04-01T00:00Z")
    )
    assert (starts_at, ends_at) == (at(start), at(end))
    if window is not Window.PERIOD:
        following = window_start(window, at=ends_at, zone=BERLIN, period_starts_at=SINCE)
        assert following == ends_at


def capped(video: VideoWorld, limit: str, **terms: Any) -> SpendCap:
    terms = {"window": Window.DAY, "asset": video.usd, **terms}
    return caps.set_cap(customer=video.customer, limit=Decimal(limit), at=NOW, **terms)


def test_a_cap_shows_what_is_used_of_it(video: VideoWorld) -> None:
    capped(video, "4")
    video.record(video.event())
    [state] = caps.states(customer=video.customer, at=NOW)
    [use] = state.uses
    assert (use.value, use.used, use.left) == ("", Decimal(1), Decimal(3))
    assert use.percent == 25
    assert state.ends_at == NOW.replace(hour=0) + DAY
    [later] = caps.states(customer=video.customer, at=NOW + DAY)
    assert [each.used for each in later.uses] == [0]


def test_the_fullest_values_come_first_and_the_rest_is_numbered(video: VideoWorld) -> None:
    capped(video, "100", property_name="team")
    used = [video.used(minutes=str(n), speed="fast", team=f"team-{n}") for n in range(1, 8)]
    video.record(*used)
    [state] = caps.states(customer=video.customer, at=NOW)
    assert [use.value for use in state.uses] == [f"team-{n}" for n in (7, 6, 5, 4, 3)]
    assert state.hidden == 2


def test_a_cap_of_a_value_shows_it_before_it_is_used_and_one_by_request_nothing(
    video: VideoWorld,
) -> None:
    capped(video, "1", property_name="team", property_value="red")
    capped(video, "1", window=Window.REQUEST)
    capped(video, "0", window=Window.HOUR)
    # Set in one moment, they come in any order.
    states = {each.cap.window: each for each in caps.states(customer=video.customer, at=NOW)}
    red, request, none = states[Window.DAY], states[Window.REQUEST], states[Window.HOUR]
    assert [(use.value, use.used) for use in red.uses] == [("red", Decimal(0))]
    assert list(request.uses) == []
    assert none.uses[0].percent == 100
    assert none.ends_at == NOW + HOUR


def test_lifted_caps_and_caps_of_others_are_not_shown(video: VideoWorld) -> None:
    caps.lift_cap(capped(video, "1"))
    other = video.add_customer()
    capped(other, "1")
    assert caps.states(customer=video.customer, at=NOW) == []


def test_a_cap_is_said_in_a_sentence(video: VideoWorld) -> None:
    said = [
        cap_words.sentence(capped(video, limit, **terms))
        for limit, terms in (
            ("50", {}),
            ("1000", {"asset": None, "meter": video.minutes, "window": Window.PERIOD}),
            ("0.125", {"meter": video.minutes, "window": Window.REQUEST}),
            ("5", {"property_name": "team"}),
            ("5", {"property_name": "team", "property_value": "red", "window": Window.HOUR}),
        )
    ]
    assert said == [
        "At most 50.00 USD a day.",
        "At most 1,000 Video minutes a billing period.",
        "At most 0.125 USD in one request, of Video minutes only.",
        "At most 5.00 USD a day, for each team apart.",
        "At most 5.00 USD an hour, where team is red.",
    ]
