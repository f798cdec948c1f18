"""Spend caps: which events they count, when their windows begin, and what they refuse."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from metering.spend_caps import Cap, CapBook, Use, Window, window_start
from tests.clock import NOW

USD, CREDITS = uuid.uuid4(), uuid.uuid4()
BERLIN = ZoneInfo("Europe/Berlin")
PERIOD = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def cap(limit: str = "10", **terms: Any) -> Cap:
    terms = {"window": Window.MONTH, "asset_id": USD, **terms}
    return Cap(
        id=uuid.uuid4(),
        customer_id=uuid.uuid4(),
        name="",
        owner="organization",
        limit=Decimal(limit),
        **terms,
    )


def book(*caps: Cap, at: dt.datetime = NOW) -> CapBook:
    return CapBook(caps=caps, counters={}, at=at, zone=BERLIN, period_starts_at=PERIOD)


def spent(amount: str, *, meter: str = "tokens", quantity: str = "1") -> Use:
    return Use(USD, meter, Decimal(quantity), Decimal(amount))


class TestCounting:
    def test_an_amount_up_to_the_limit_passes_and_one_above_does_not(self) -> None:
        full = book(cap("10"))
        counted, refused = full.check({}, [spent("10")])
        assert refused == []
        full.use(counted)
        _, [refusal] = full.check({}, [spent("0.000000000001")])
        assert (refusal.needed, refusal.left) == (Decimal("0.000000000001"), Decimal(0))

    def test_what_is_held_leaves_no_room(self) -> None:
        full = book(cap("10"))
        counted, _ = full.check({}, [spent("6")])
        full.hold(counted)
        assert full.check({}, [spent("5")])[1]
        full.let_go(counted)
        assert not full.check({}, [spent("5")])[1]

    def test_another_asset_does_not_count(self) -> None:
        other = Use(CREDITS, "tokens", Decimal(1), Decimal(100))
        assert book(cap("10")).check({}, [other]) == ([], [])

    def test_units_of_one_meter_are_counted_without_an_asset(self) -> None:
        units = book(cap("5", asset_id=None, meter="images"))
        assert not units.check({}, [spent("100", quantity="9")])[1]
        assert units.check({}, [spent("0", meter="images", quantity="6")])[1]

    def test_only_one_meters_amounts_count_with_both(self) -> None:
        images = book(cap("5", meter="images"))
        assert not images.check({}, [spent("6")])[1]
        assert images.check({}, [spent("6", meter="images")])[1]

    def test_each_value_of_a_property_has_a_count_of_its_own(self) -> None:
        by_team = book(cap("10", property_name="team"))
        by_team.use(by_team.check({"team": "red"}, [spent("10")])[0])
        assert by_team.check({"team": "red"}, [spent("1")])[1]
        assert not by_team.check({"team": "blue"}, [spent("10")])[1]
        assert by_team.check({}, [spent("99")]) == ([], [])

    def test_one_value_can_be_capped_alone(self) -> None:
        red = book(cap("10", property_name="team", property_value="red"))
        assert red.check({"team": "red"}, [spent("11")])[1]
        assert not red.check({"team": "blue"}, [spent("11")])[1]

    def test_a_cap_on_a_request_remembers_nothing(self) -> None:
        each = book(cap("10", window=Window.REQUEST))
        for _ in range(3):
            counted, refused = each.check({}, [spent("10")])
            assert (counted, refused) == ([], [])
        assert each.check({}, [spent("11")])[1]

    def test_the_tightest_refusal_comes_first(self) -> None:
        loose, tight = cap("9"), cap("1")
        _, refused = book(loose, tight).check({}, [spent("10")])
        assert [each.cap for each in refused] == [tight, loose]

    def test_51_of_a_day_are_too_many_though_the_month_has_room(self) -> None:
        caps = book(
            cap("300", asset_id=None, meter="tokens"),
            cap("50", asset_id=None, meter="tokens", window=Window.DAY),
        )
        for _ in range(50):
            counted, refused = caps.check({}, [spent("0")])
            assert refused == []
            caps.use(counted)
        _, [refusal] = caps.check({}, [spent("0")])
        assert refusal.cap.window is Window.DAY


@pytest.mark.parametrize(
    ("window", "start"),
    [
        (Window.HOUR, dt.datetime(2026, 3, 29, 0, 0, tzinfo=dt.UTC)),
        (Window.DAY, dt.datetime(2026, 3, 28, 23, 0, tzinfo=dt.UTC)),
        (Window.MONTH, dt.datetime(2026, 2, 28, 23, 0, tzinfo=dt.UTC)),
        (Window.PERIOD, PERIOD),
    ],
)
def test_windows_begin_by_the_customers_clock(window: Window, start: dt.datetime) -> None:
    at = dt.datetime(2026, 3, 29, 0, 59, tzinfo=dt.UTC)  # A minute before the clock springs ahead.
    assert window_start(window, at=at, zone=BERLIN, period_starts_at=PERIOD) == start


def test_a_new_window_is_empty() -> None:
    today = cap("10", window=Window.DAY)
    first = book(today)
    first.use(first.check({}, [spent("10")])[0])
    tomorrow = CapBook(
        caps=[today],
        counters=first.counters,
        at=NOW + dt.timedelta(days=1),
        zone=BERLIN,
        period_starts_at=PERIOD,
    )
    assert not tomorrow.check({}, [spent("10")])[1]
