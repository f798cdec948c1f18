"""The same customer at work beside the same model, asking by requests through the fast lane.

What the model allows is answered with success and what it does not allow with a refusal, whatever
the lane makes of it on the way. `LANE_MACHINE_RUNS` asks for more lives; 200x50 before a release.
"""

import datetime as dt
import os
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from accounts import api_keys
from accounts.models import Scope
from billing_site import self_check
from metering import sweeping
from metering.models import Authorization, Event
from tests.clock import NOW
from tests.lane import Answered, running_lane
from tests.laws.test_work_machine import CREDIT, WorkMachine
from tests.laws.work_model import Worker
from tests.worlds import open_video_world

RUNS = os.environ.get("LANE_MACHINE_RUNS", "6x20")


class LaneWorkMachine(WorkMachine):
    """Events, authorizations and what follows them are requests; the clock stands until moved."""

    @initialize()
    def open(self) -> None:
        self.example = None
        self.open_ones = ExitStack()
        self.clock = self.open_ones.enter_context(time_machine.travel(NOW, tick=False))
        self.world = open_video_world(credit=str(CREDIT), time_zone="UTC")
        self.worker = Worker(now=NOW, posted=CREDIT)
        self.authorizations = []
        self.done = []
        self.caps = []
        organization = self.world.organization
        _, secret = api_keys.issue(organization=organization, name="lane", scopes=[Scope.ADMIN])
        self.lane = self.open_ones.enter_context(running_lane(secret))

    def teardown(self) -> None:
        if not hasattr(self, "open_ones"):
            return
        with self.open_ones:
            assert self_check.differences() == []

    def wait(self, time: dt.timedelta, *, swept: bool) -> None:
        self.worker.now += time
        self.clock.move_to(self.worker.now)
        if swept:
            sweeping.settle_due_accounts(at=self.worker.now)

    def _work(self, amount: Decimal) -> dict[str, Any]:
        return {"type": "video.rendered", "properties": {"minutes": str(amount), "speed": "fast"}}

    def _event(self, amount: Decimal, **fields: Any) -> tuple[Any, dict[str, Any]]:
        draft = self._minutes(amount, **fields)
        named = {"id": draft.external_id, "customer": draft.customer, **fields}
        return draft, {**self._work(amount), **named}

    def _follow(self, made: Authorization, verb: str, body: dict[str, Any]) -> Answered:
        return self.lane.post(f"authorizations/{made.id}/{verb}", body)

    def send(self, amount: Decimal) -> None:
        draft, body = self._event(amount)
        may = self.worker.may(amount)
        answer = self.lane.post("events", body)
        assert answer.status == (201 if may else 402), answer
        if may:
            self.done.append((draft, self.worker.do(amount)))

    def authorize(self, amount: Decimal, lasts: dt.timedelta) -> None:
        body = {
            "customer": self.world.customer.external_id,
            "items": [self._work(amount)],
            "expires_in": int(lasts.total_seconds()),
        }
        may = self.worker.may(amount)
        answer = self.lane.post("authorizations", body)
        assert answer.status == (201 if may else 402), answer
        if may:
            made = Authorization.objects.get(id=answer.json["id"])
            self.authorizations.append((made, self.worker.promise(amount, lasts=lasts)))

    def extend(self, amount: Decimal, pick: int) -> None:
        if not self.authorizations:
            return
        made, promise = self.authorizations[pick % len(self.authorizations)]
        expected = 409 if promise not in self.worker.open else 200
        if expected == 200 and not self.worker.may(amount):
            expected = 402
        answer = self._follow(made, "extend", {"items": [self._work(amount)]})
        assert answer.status == expected, answer
        if expected == 200:
            self.worker.extend(promise, amount)

    def capture(self, amount: Decimal, pick: int, *, final: bool) -> None:
        if not self.authorizations:
            return
        made, promise = self.authorizations[pick % len(self.authorizations)]
        draft, body = self._event(amount, authorization=str(made.id))
        is_open = promise in self.worker.open
        answer = self._follow(made, "capture", {"events": [body], "final": final})
        assert answer.status == (200 if is_open else 409), answer
        if is_open:
            self.done.append((draft, self.worker.capture(promise, amount, final=final)))

    def release(self, pick: int) -> None:
        if not self.authorizations:
            return
        made, promise = self.authorizations[pick % len(self.authorizations)]
        is_open = promise in self.worker.open
        answer = self._follow(made, "release", {})
        assert answer.status == (200 if is_open else 409), answer
        promise.is_over = True


@pytest.mark.django_db(transaction=True)
def test_the_lane_and_the_model_never_disagree() -> None:
    lives, steps = RUNS.split("x")
    run_state_machine_as_test(
        LaneWorkMachine,
        settings=settings(
            max_examples=int(lives),
            stateful_step_count=int(steps),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Event.objects.exists()  # The lane has had something to do.
    assert Authorization.objects.exists()
