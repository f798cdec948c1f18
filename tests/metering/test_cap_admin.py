"""Spend caps in the admin: set, moved and lifted there, with what their window holds."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import Role
from metering import caps
from metering.models import CapOwner, SpendCap
from metering.spend_caps import Window
from tests.accounts.admin_worlds import page
from tests.clock import NOW
from tests.factories import MembershipFactory
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def as_role(video: VideoWorld, role: Role = Role.OWNER) -> Client:
    client = Client()
    member = MembershipFactory.create(organization=video.organization, role=role)
    client.force_login(member.user)
    return client


def terms(video: VideoWorld, **changes: Any) -> dict[str, Any]:
    return {
        "customer": video.customer.id, "name": "Daily", "owner": CapOwner.ORGANIZATION,
        "window": Window.DAY, "limit": "2.5", "asset": video.usd.id, **changes,
    }  # fmt: skip


def test_a_cap_is_set_and_limits_at_once(video: VideoWorld) -> None:
    answer = as_role(video).post(page(SpendCap, "add"), terms(video))
    assert answer.status_code == 302, answer.context["errors"]
    cap = SpendCap.objects.get()
    assert (cap.organization_id, cap.created_at) == (video.organization.id, NOW)
    [first, second] = video.record(video.minutes_of("fast", "2"), video.event())
    assert (first.status, second.status) == ("recorded", "blocked")


@pytest.mark.parametrize(
    "changes",
    [{"limit": "-1"}, {"limit": "NaN"}, {"limit": ""}, {"asset": ""}, {"property_value": "red"}],
)
def test_a_cap_that_makes_no_sense_is_refused(video: VideoWorld, changes: dict[str, str]) -> None:
    answer = as_role(video).post(page(SpendCap, "add"), terms(video, **changes))
    assert answer.status_code == 200
    assert answer.context["errors"]
    assert not SpendCap.objects.exists()


def test_what_the_window_holds_is_shown_and_the_limit_moved(video: VideoWorld) -> None:
    cap = caps.set_cap(
        customer=video.customer, limit=Decimal(10), window=Window.DAY, asset=video.usd,
        property_name="speed", at=NOW,
    )  # fmt: skip
    video.record(video.minutes_of("fast", "2.5"), video.minutes_of("standard", "1"))
    client, url = as_role(video), page(SpendCap, "change", cap.id)
    shown = client.get(url).content.decode()
    assert "At most 10.00 USD a day, for each speed apart." in shown
    assert "<div>fast: 2.50 USD, 25%</div><div>standard: 0.40 USD, 4%</div>" in shown
    client.post(url, {"name": "Lower", "limit": "3", "is_active": "on", "window": Window.MONTH})
    cap.refresh_from_db()
    assert (cap.limit, cap.name, cap.window) == (Decimal(3), "Lower", "day")
    client.post(url, {"name": "", "limit": "3"})
    assert not SpendCap.objects.filter(is_active=True).exists()
    assert "while it is lifted" in client.get(url).content.decode()


def test_an_analyst_only_looks_and_nobody_deletes(video: VideoWorld) -> None:
    cap = caps.set_cap(
        customer=video.customer, limit=Decimal(1), window=Window.REQUEST, asset=video.usd, at=NOW
    )
    analyst = as_role(video, Role.ANALYST)
    assert "on its own" in analyst.get(page(SpendCap, "change", cap.id)).content.decode()
    assert analyst.post(page(SpendCap, "add"), terms(video)).status_code == 403
    assert as_role(video).post(page(SpendCap, "delete", cap.id), {"post": "yes"}).status_code == 403
