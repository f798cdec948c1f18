"""Every request that moves money, sent three times at once under one key: one effect, one body."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts import exact_json
from billing_site import self_check
from invoicing import closing, items
from invoicing.models import Invoice
from metering.models import DeadLetter
from tests.api import contract
from tests.api.callers import Answer, Caller, caller_of
from tests.api.tables import row_counts
from tests.authorized_work import authorize
from tests.clock import DAY, HOUR, NOW
from tests.factories import CustomerFactory
from tests.races.crowds import crowd_of
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db(transaction=True)

HEADER = "Idempotency-Key"
SENDERS = 3
PROPERTIES = {"minutes": "1", "speed": "fast"}
WORK = {"type": "video.rendered", "properties": PROPERTIES}

type Request = tuple[str, dict[str, Any]]


def authorization_of(world: VideoWorld) -> str:
    """Authorize five minutes and return the address."""
    now = timezone.now()
    return f"authorizations/{authorize(world, world.event(), expires_in=HOUR, at=now).id}"


def event_of(world: VideoWorld) -> str:
    """Record an event and return its address."""
    draft = world.event()
    world.record(draft, at=timezone.now())
    return f"events/{draft.external_id}"


def letter_of(world: VideoWorld) -> DeadLetter:
    """Send an event that no price is for."""
    world.record(world.minutes_of("unheard", "1"), at=timezone.now())
    return DeadLetter.objects.get(organization=world.organization, resolved_at=None)


def grant_of(world: VideoWorld) -> str:
    """Return the address of the customer's first grant."""
    return f"grants/{world.account.grants.earliest('created_at').id}"


def replacement(world: VideoWorld) -> dict[str, Any]:
    """An event to be recorded in the place of another."""
    return {**WORK, "id": "replacement", "customer": world.customer.external_id}


def newcomer(world: VideoWorld) -> dict[str, Any]:
    """A customer without a subscription, put on the plan."""
    customer = CustomerFactory.create(organization=world.organization)
    return {"customer": customer.external_id, "plan": world.plan_version.plan.code}


def invoice_of(world: VideoWorld) -> str:
    """Invoice an item of 10 and return the invoice's id."""
    world.record(world.event())
    items.add_item(
        customer=world.customer, asset=world.usd, amount=Decimal(10), description="Help", at=NOW
    )
    closing.close_due_periods(at=NOW + 31 * DAY)
    closing.build_due_invoices(at=NOW + 31 * DAY)
    return str(Invoice.objects.get(organization=world.organization).id)


REQUESTS: dict[str, Callable[[VideoWorld], Request]] = {
    "authorizations": lambda w: (
        "authorizations", {"customer": w.customer.external_id, "items": [WORK]},
    ),
    "authorizations/{authorization_id}/capture": lambda w: (
        f"{authorization_of(w)}/capture", {"events": [{**WORK, "id": "captured"}]},
    ),
    "authorizations/{authorization_id}/extend": lambda w: (
        f"{authorization_of(w)}/extend", {"items": [WORK]},
    ),
    "authorizations/{authorization_id}/release": lambda w: (f"{authorization_of(w)}/release", {}),
    "authorizations/{authorization_id}/report": lambda w: (
        f"{authorization_of(w)}/report", {"amounts": {"USD": "0.5"}},
    ),
    "credit-notes": lambda w: ("credit-notes", {"invoice": invoice_of(w), "amount": "4"}),
    "invoice-items": lambda w: (
        "invoice-items",
        {
            "customer": w.customer.external_id, "asset": "USD", "amount": "4",
            "description": "Help",
        },
    ),
    "invoices/{invoice_id}/void": lambda w: (f"invoices/{invoice_of(w)}/void", {"reissue": True}),
    "subscriptions/{subscription_id}/seats": lambda w: (
        f"subscriptions/{w.customer.subscriptions.get().id}/seats", {"seats": 4},
    ),
    "customers": lambda w: ("customers", {"external_id": "a-new-one", "name": "New"}),
    "customers/{external_id}/grants": lambda w: (
        f"customers/{w.customer.external_id}/grants", {"asset": "USD", "amount": "10"},
    ),
    "dead-letters/{letter_id}/replay": lambda w: (
        f"dead-letters/{letter_of(w).id}/replay", {"properties": PROPERTIES},
    ),
    "dead-letters/replay": lambda w: ("dead-letters/replay", {"reason": letter_of(w).reason}),
    "events/{external_id}/replace": lambda w: (
        f"{event_of(w)}/replace", {"event": replacement(w)},
    ),
    "events/{external_id}/void": lambda w: (f"{event_of(w)}/void", {"reason": "twice"}),
    "events/void": lambda w: (
        "events/void", {"ids": [event_of(w).removeprefix("events/") for _ in range(2)]},
    ),
    "grants/{grant_id}/void": lambda w: (f"{grant_of(w)}/void", {}),
    "subscriptions": lambda w: ("subscriptions", newcomer(w)),
}  # fmt: skip
"""By the end of its address, a request that succeeds."""


def test_every_post_that_takes_a_key_is_sent() -> None:
    taking = {
        path.removeprefix("/api/v1/")
        for path, operations in contract.schema()["paths"].items()
        if any(each["name"] == HEADER for each in operations.get("post", {}).get("parameters", []))
    }
    assert taking == set(REQUESTS)


@pytest.mark.parametrize("address", REQUESTS)
def test_three_at_once_have_one_effect_and_one_body(address: str) -> None:
    first, other = (open_video_world() for _ in range(2))
    added = {}
    for world, senders in ((first, 1), (other, SENDERS)):
        path, body = REQUESTS[address](world)
        callers = [caller_of(world.organization) for _ in range(senders)]
        before = row_counts()
        answers = send_at_once(callers, path, body)
        after = row_counts()
        added[senders] = {name: after[name] - before[name] for name in after}
        assert answers[0].status < 300, answers[0].json
        assert len({(answer.status, answer.content) for answer in answers}) == 1
    # Three leave behind what one alone does.
    assert added[1] == added[SENDERS]
    assert self_check.differences() == []


def send_at_once(callers: list[Caller], path: str, body: dict[str, Any]) -> list[Answer]:
    """Send one request from all callers at the same moment, under one key."""
    key = uuid.uuid4().hex
    content = exact_json.encode(body)
    with crowd_of(len(callers)) as crowd:
        return crowd.at_once(
            lambda number: callers[number].send("POST", path, content, headers={HEADER: key})
        )
