"""The page that asks before it publishes."""

import datetime as dt
from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from pricing import publication
from pricing.models import PlanVersion, ScheduledChange, Settle
from tests.accounts.admin_worlds import page, signed_in
from tests.factories import CostRateFactory, CustomerFactory, MembershipFactory, PlanVersionFactory
from tests.pricing.editor_forms import edit, price_fields, typed, version_page
from tests.worlds import VIDEO_PRICE, VideoWorld

pytestmark = pytest.mark.django_db


def publish(browser: Client, draft: PlanVersion, **fields: Any) -> Any:
    data = {"migrate": "new", "effective_from": "", **fields}
    return browser.post(version_page(draft, "publish"), data, follow=True)


def test_the_page_shows_what_changes_and_who_is_where(browser: Client, draft: PlanVersion) -> None:
    fields = price_fields(0, draft.prices.get(), matrix="speed|price\nfast|1.10\nstandard|0.40")
    edit(browser, draft, typed(fields, saved=1))
    text = browser.get(version_page(draft, "publish")).content.decode()
    assert "1.00 USD per unit" in text
    assert "1.10 USD per unit" in text
    assert "(10 % more)" in text
    assert "0.40 USD" not in text
    assert "1 live subscription: 1 on version 1." in text
    draft.refresh_from_db()
    assert draft.is_draft


def test_a_confirmed_draft_is_published_by_the_person(
    owner: User, browser: Client, draft: PlanVersion
) -> None:
    text = publish(browser, draft).content.decode()
    draft.refresh_from_db()
    assert not draft.is_draft
    assert draft.published_by == owner
    assert "neither its terms nor its prices ever change" in text
    assert "speed = fast" in text
    assert "1.00 USD per unit" in text
    assert 'name="_save"' not in text
    assert not ScheduledChange.objects.exists()


def test_everybody_may_be_moved(video: VideoWorld, browser: Client, draft: PlanVersion) -> None:
    text = publish(browser, draft, migrate="all").content.decode()
    assert "1 customer will move to it." in text
    change = ScheduledChange.objects.get()
    assert (change.customer, change.plan_version) == (video.customer, draft)


def test_some_may_be_moved(video: VideoWorld, browser: Client, draft: PlanVersion) -> None:
    video.add_customer(external_id="another")
    publish(browser, draft, migrate="some", customers=[str(video.customer.id)])
    assert [change.customer for change in ScheduledChange.objects.all()] == [video.customer]


def test_customers_beyond_the_list_are_named(
    video: VideoWorld, browser: Client, draft: PlanVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "CUSTOMERS_SHOWN", 1)
    another = video.add_customer(external_id="zebra").customer
    refused = publish(browser, draft, migrate="some", others="nobody")
    assert b"There is no customer nobody." in refused.content
    publish(browser, draft, migrate="some", others="zebra")
    assert [change.customer for change in ScheduledChange.objects.all()] == [another]


def test_some_means_somebody(browser: Client, draft: PlanVersion) -> None:
    response = publish(browser, draft, migrate="some")
    assert b"Choose at least one customer." in response.content
    draft.refresh_from_db()
    assert draft.is_draft


def test_a_stranger_is_not_moved(browser: Client, draft: PlanVersion) -> None:
    stranger = CustomerFactory.create()
    response = publish(browser, draft, migrate="some", customers=[str(stranger.id)])
    assert b"Select a valid choice" in response.content
    assert not ScheduledChange.objects.exists()


def test_it_may_take_effect_later(browser: Client, draft: PlanVersion) -> None:
    moment = (timezone.now() + dt.timedelta(days=30)).replace(second=0, microsecond=0)
    publish(browser, draft, migrate="all", effective_from=f"{moment:%Y-%m-%dT%H:%M}")
    draft.refresh_from_db()
    assert draft.effective_from == moment
    assert ScheduledChange.objects.get().effective_at == moment


def test_what_settles_at_close_is_pointed_out(browser: Client, draft: PlanVersion) -> None:
    draft.prices.update(settle=Settle.AT_CLOSE)
    text = browser.get(version_page(draft, "publish")).content.decode()
    assert "Charged when the period closes, not on each event: Video minutes in USD." in text


def test_what_is_below_cost_is_pointed_out(
    video: VideoWorld, browser: Client, draft: PlanVersion
) -> None:
    cost = {"charge_model": "per_unit", "unit_amount": "0.50"}
    CostRateFactory.create(meter=video.minutes, definition=cost)
    text = browser.get(version_page(draft, "publish")).content.decode()
    assert "Below cost. video_minutes in USD, speed standard: 0.4 for each unit" in text
    assert 'value="Publish' in text


def test_problems_are_shown_instead_of_the_button(video: VideoWorld, browser: Client) -> None:
    empty = PlanVersionFactory.create(plan__organization=video.organization)
    for response in (browser.get(version_page(empty, "publish")), publish(browser, empty)):
        assert b"a plan needs at least one price" in response.content
        assert b'value="Publish' not in response.content
    empty.refresh_from_db()
    assert empty.is_draft


def test_saving_can_lead_straight_to_the_page(browser: Client, draft: PlanVersion) -> None:
    data = typed(price_fields(0, draft.prices.get()), saved=1, more={"_review": "1"})
    assert edit(browser, draft, data)["Location"] == version_page(draft, "publish")


def test_a_published_version_takes_no_edit(video: VideoWorld, browser: Client) -> None:
    version = video.plan_version
    price = version.prices.get()
    for address, data in (
        (page(PlanVersion, "change", version.pk), typed(price_fields(0, price), saved=1)),
        (page(PlanVersion, "delete", version.pk), {"post": "yes"}),
        (version_page(version, "publish"), {}),
        (version_page(version, "price_list"), {"prices": ""}),
        (version_page(version, "files"), {"text": "{}"}),
    ):
        assert browser.post(address, data).status_code == HTTPStatus.FORBIDDEN
    assert version.prices.get().definition == VIDEO_PRICE


def test_an_analyst_reads_and_changes_nothing(video: VideoWorld, draft: PlanVersion) -> None:
    analyst = MembershipFactory.create(organization=video.organization, role=Role.ANALYST).user
    browser = signed_in(analyst)
    for name in ("price_list", "files", "csv", "json"):
        assert browser.get(version_page(draft, name)).status_code == HTTPStatus.OK
    text = browser.get(page(PlanVersion, "change", draft.pk)).content.decode()
    assert "1.00 USD per unit" in text
    assert b"<textarea" not in browser.get(version_page(draft, "files")).content
    for name in ("publish", "price_list", "files"):
        assert browser.post(version_page(draft, name)).status_code == HTTPStatus.FORBIDDEN


def test_a_draft_is_thrown_away(browser: Client, draft: PlanVersion) -> None:
    browser.post(page(PlanVersion, "delete", draft.pk), {"post": "yes"})
    assert not PlanVersion.objects.filter(pk=draft.pk).exists()
