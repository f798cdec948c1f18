"""The margins page of the admin."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from tests.accounts.admin_worlds import signed_in
from tests.clock import NOW
from tests.factories import MembershipFactory
from tests.token_world import TokenWorld, open_token_world

pytestmark = pytest.mark.django_db

MILLION = 1_000_000


@pytest.fixture
def tokens() -> TokenWorld:
    world = open_token_world()
    world.pay_vendor()
    world.call("opus", MILLION, MILLION)
    world.call("haiku", MILLION, 0)
    world.call("llama", MILLION, 0)
    return world


def browser(world: TokenWorld, role: Role = Role.ANALYST) -> Client:
    return signed_in(MembershipFactory.create(organization=world.organization, role=role).user)


def shown(world: TokenWorld, **asked: Any) -> str:
    terms = {"start": "2025-03-01", "last": "2025-03-31", "by": "model", **asked}
    answer = browser(world).get(reverse("admin:metering_margins"), terms)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_losses_come_first_and_are_called_so(tokens: TokenWorld) -> None:
    page = shown(tokens)
    assert '<span class="loss-word">Loss</span> −0.30' in page
    assert page.index("haiku") < page.index("llama") < page.index("opus")
    assert page.count('class="loss"') == 1
    assert "20.00 %" in page
    assert "1 for 1.00" in page
    assert "by UTC days, in USD" in page


def test_by_customer_and_model(tokens: TokenWorld) -> None:
    page = shown(tokens, by="customer,model")
    assert '<th scope="row">acme</th><th scope="row">haiku</th>' in page


def test_days_stay_in_order(tokens: TokenWorld) -> None:
    tokens.call("haiku", 9 * MILLION, 0, timestamp="2025-03-09T00:00:00Z")
    page = shown(tokens, by="day")
    assert page.index("2025-03-09</th>") < page.index("2025-03-10</th>")


def test_it_opens_on_the_last_days(tokens: TokenWorld) -> None:
    with time_machine.travel(NOW + dt.timedelta(days=29), tick=False):
        page = browser(tokens).get(reverse("admin:metering_margins")).content.decode()
    assert 'value="2025-04-08"' in page
    assert 'value="2025-03-10"' in page
    assert "opus" in page


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"start": "2025-03-02", "last": "2025-03-01"}, "Choose 1 to 366 days."),
        ({"start": "2024-01-01"}, "Choose 1 to 366 days."),
        ({"start": "soon"}, "Enter a valid date."),
        ({"by": "mood"}, "Select a valid choice."),
        ({"start": "9999-12-31", "last": "9999-12-31"}, "Choose days that come to an end."),
        ({"start": "0001-01-01", "last": "0001-01-01"}, "No events on these days."),
    ],
)
def test_what_cannot_be_shown_is_told_why(
    tokens: TokenWorld, asked: dict[str, str], said: str
) -> None:
    page = shown(tokens, **asked)
    assert said in page
    assert "opus" not in page


def test_without_a_policy_it_says_what_to_do_first() -> None:
    page = shown(open_token_world())
    assert reverse("admin:pricing_costpolicy_add") in page


def test_it_shows_one_organization(tokens: TokenWorld) -> None:
    neighbour = open_token_world()
    neighbour.pay_vendor()
    page = shown(neighbour)
    assert "opus" not in page
    assert "No events on these days." in page


def test_the_front_page_of_the_admin_leads_there(tokens: TokenWorld) -> None:
    page = browser(tokens).get(reverse("admin:index")).content.decode()
    assert reverse("admin:metering_margins") in page


def test_customers_and_strangers_are_kept_out(client: Client) -> None:
    answer = client.get(reverse("admin:metering_margins"))
    assert answer.status_code == 302
