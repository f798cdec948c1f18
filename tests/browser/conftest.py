"""A real Chromium in front of a real server, and people to look through it."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts import api_keys
from accounts.models import Scope, User
from tests.factories import (
    PASSWORD,
    CustomerFactory,
    MembershipFactory,
    PortalMembershipFactory,
)
from tests.worlds import VideoWorld, open_video_world

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def _chromium() -> str:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path:
        return path
    reason = "no Chromium: install Debian's package or name one in CHROMIUM"
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this package."""
    path = _chromium()
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, in which Django refuses its database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass(frozen=True, kw_only=True)
class Site:
    """The served world, and the people who look at it."""

    url: str
    world: VideoWorld
    owner: User
    customers_person: User
    api_key: str

    @property
    def customer_path(self) -> str:
        """The page of the world's customer."""
        return f"/customers/{self.world.customer.id}/"

    @property
    def list_path(self) -> str:
        """The list of the world's customers."""
        return f"/o/{self.world.organization.slug}/customers/"

    @property
    def proof_path(self) -> str:
        """What is known of the world's books."""
        return f"/o/{self.world.organization.slug}/proof/"


@pytest.fixture
def site(browser: Browser, live_server: LiveServer, transactional_db: None) -> Site:
    """A company with a customer who has spent a little of 100 USD just now."""
    world = open_video_world(name="Northwind Studio", external_id="northwind")
    CustomerFactory.create(organization=world.organization, name="Quiet Ltd.")
    world.record(world.event(), world.minutes_of("standard", "12.5"), at=timezone.now())
    _, api_key = api_keys.issue(
        organization=world.organization, name="browser tests", scopes=[Scope.EVENTS_WRITE]
    )
    return Site(
        url=live_server.url,
        world=world,
        owner=MembershipFactory.create(organization=world.organization).user,
        customers_person=PortalMembershipFactory.create(customer=world.customer).user,
        api_key=api_key,
    )


OpenContext = Callable[..., BrowserContext]


@pytest.fixture
def open_context(browser: Browser, site: Site) -> Iterator[OpenContext]:
    """Open a browser window of its own, as `person` when one is given."""
    contexts = []

    def open_one(person: User | None = None, **options: Any) -> BrowserContext:
        context = browser.new_context(base_url=site.url, **options)
        context.set_default_timeout(10_000)
        if person is not None:
            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": _session(person), "url": site.url}]
            )
        contexts.append(context)
        return context

    yield open_one
    for context in contexts:
        context.close()
    _wait_until_nobody_is_served()


def _wait_until_nobody_is_served() -> None:
    """Wait for requests that a page left behind, or they meet the tables being emptied."""
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_type = 'client backend'"
                " AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            if not cursor.fetchone()[0]:
                return
            assert time.monotonic() < deadline, "a request has not ended"
            time.sleep(0.02)


def _session(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def sign_in(page: Page, person: User) -> None:
    """Sign in through the form, and arrive wherever the person belongs."""
    page.goto("/login/")
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login/" not in url)


def watch_console(page: Page) -> list[str]:
    """Return a list that fills with everything the page says on its console."""
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    return messages
