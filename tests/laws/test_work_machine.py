"""A customer at work beside a plain model of it: events, authorizations, caps, voids, the clock."""

import datetime as dt
import os
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts import ledger
from billing_site import self_check
from metering import authorizations, caps, corrections, sweeping
from metering.authorizations import AuthorizationEnded
from metering.event_drafts import EventDraft
from metering.models import Authorization, SpendCap
from metering.outcomes import Status
from metering.permits import Refused
from metering.spend_caps import Window
from tests.authorized_work import authorize, capture, event_of
from tests.clock import NOW
from tests.laws.work_model import Done, Limit, Promise, Worker
from tests.worlds import open_video_world

RUNS = os.environ.get("WORK_MACHINE_RUNS", "40x25")
"""How many lives of how many steps; 2000x50 before a release."""

CREDIT = Decimal(20)
AMOUNTS = st.integers(0, 24).map(lambda quarters: Decimal(quarters) / 4)
PICKS = st.integers(0, 9)
TIMES = st.sampled_from(
    [dt.timedelta(**each) for each in ({"seconds": 1}, {"minutes": 25}, {"hours": 7}, {"days": 1})]
)
STEPS = st.one_of(
    st.tuples(st.just("send"), st.fixed_dictionaries({"amount": AMOUNTS})),
    st.tuples(st.just("authorize"), st.fixed_dictionaries({"amount": AMOUNTS, "lasts": TIMES})),
    st.tuples(st.just("extend"), st.fixed_dictionaries({"amount": AMOUNTS, "pick": PICKS})),
    st.tuples(
        st.just("capture"),
        st.fixed_dictionaries({"amount": AMOUNTS, "pick": PICKS, "final": st.booleans()}),
    ),
    st.tuples(st.just("release"), st.fixed_dictionaries({"pick": PICKS})),
    st.tuples(st.just("void"), st.fixed_dictionaries({"pick": PICKS})),
    st.tuples(
        st.just("limit"),
        st.fixed_dictionaries(
            {
                "window": st.sampled_from([Window.HOUR, Window.DAY, Window.MONTH]),
                "most": AMOUNTS.map(lambda amount: 2 * amount),
            }
        ),
    ),
    st.tuples(st.just("lift"), st.fixed_dictionaries({"pick": PICKS})),
    st.tuples(st.just("top_up"), st.fixed_dictionaries({"amount": AMOUNTS})),
    st.tuples(st.just("wait"), st.fixed_dictionaries({"time": TIMES, "swept": st.booleans()})),
)


class WorkMachine(RuleBasedStateMachine):
    """Each step does one thing to both, and then they must agree; at last the books must, too."""

    example: transaction.Atomic | None = None

    @initialize()
    def open(self) -> None:
        self.example = transaction.atomic()
        self.example.__enter__()
        self.world = open_video_world(credit=str(CREDIT), time_zone="UTC")
        self.worker = Worker(now=NOW, posted=CREDIT)
        self.authorizations: list[tuple[Authorization, Promise]] = []
        self.done: list[tuple[EventDraft, Done]] = []
        self.caps: list[tuple[SpendCap, Limit]] = []

    @rule(step=STEPS)
    def live(self, step: tuple[str, dict[str, Any]]) -> None:
        verb, arguments = step
        getattr(self, verb)(**arguments)

    def teardown(self) -> None:
        """Audit everything, and leave nothing to the next example."""
        if self.example is None:
            return
        try:
            assert self_check.differences() == []
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    def _minutes(self, amount: Decimal, **fields: Any) -> EventDraft:
        return self.world.minutes_of("fast", str(amount), **fields)

    def send(self, amount: Decimal) -> None:
        draft = self._minutes(amount)
        may = self.worker.may(amount)
        [outcome] = self.world.record(draft, at=self.worker.now)
        assert outcome.status == (Status.RECORDED if may else Status.BLOCKED)
        if may:
            self.done.append((draft, self.worker.do(amount)))

    def authorize(self, amount: Decimal, lasts: dt.timedelta) -> None:
        terms: dict[str, Any] = {"expires_in": lasts, "at": self.worker.now}
        if not self.worker.may(amount):
            with pytest.raises(Refused):
                authorize(self.world, self._minutes(amount), **terms)
            return
        made = authorize(self.world, self._minutes(amount), **terms)
        self.authorizations.append((made, self.worker.promise(amount, lasts=lasts)))

    def extend(self, amount: Decimal, pick: int) -> None:
        if not self.authorizations:
            return
        made, promise = self.authorizations[pick % len(self.authorizations)]
        refusal: type[Exception] | None = None
        if promise not in self.worker.open:
            refusal = AuthorizationEnded
        elif not self.worker.may(amount):
            refusal = Refused
        terms: dict[str, Any] = {"drafts": [self._minutes(amount)], "at": self.worker.now}
        if refusal is not None:
            with pytest.raises(refusal):
                authorizations.extend(authorization=made, **terms)
            return
        authorizations.extend(authorization=made, **terms)
        self.worker.extend(promise, amount)

    def capture(self, amount: Decimal, pick: int, *, final: bool) -> None:
        if not self.authorizations:
            return
        made, promise = self.authorizations[pick % len(self.authorizations)]
        draft = event_of(self.world, made, str(amount))
        terms: dict[str, Any] = {"final": final, "at": self.worker.now}
        if promise not in self.worker.open:
            with pytest.raises(AuthorizationEnded):
                capture(made, draft, **terms)
            return
        [outcome] = capture(made, draft, **terms).outcomes
        assert outcome.status == Status.RECORDED
        self.done.append((draft, self.worker.capture(promise, amount, final=final)))

    def release(self, pick: int) -> None:
        if not self.authorizations:
            return
        made, promise = self.authorizations[pick % len(self.authorizations)]
        if promise not in self.worker.open:
            with pytest.raises(AuthorizationEnded):
                authorizations.release(authorization=made, at=self.worker.now)
            return
        authorizations.release(authorization=made, at=self.worker.now)
        promise.is_over = True

    def void(self, pick: int) -> None:
        if not self.done:
            return
        draft, done = self.done.pop(pick % len(self.done))
        for _ in range(2):  # The second time changes nothing.
            corrections.void_event(
                organization_id=self.world.organization.id, key=draft.key, at=self.worker.now
            )
        self.worker.undo(done)

    def limit(self, window: Window, most: Decimal) -> None:
        made = caps.set_cap(
            customer=self.world.customer,
            limit=most,
            window=window,
            asset=self.world.usd,
            at=self.worker.now,
        )
        limit = Limit(window=window, most=most)
        self.worker.limits.append(limit)
        self.caps.append((made, limit))

    def lift(self, pick: int) -> None:
        if not self.caps:
            return
        made, limit = self.caps[pick % len(self.caps)]
        caps.lift_cap(made)
        limit.is_in_force = False

    def top_up(self, amount: Decimal) -> None:
        if amount:
            self.world.grant(str(amount), at=self.worker.now)
            self.worker.posted += amount

    def wait(self, time: dt.timedelta, *, swept: bool) -> None:
        self.worker.now += time
        if swept:
            sweeping.settle_due_accounts(at=self.worker.now)

    @invariant()
    def both_have_the_same(self) -> None:
        if not hasattr(self, "world"):
            return
        worker = self.worker
        balance = ledger.read_balance(self.world.account, at=worker.now)
        assert (balance.posted, balance.held) == (worker.posted, worker.held)
        assert balance.available == worker.available >= 0
        states = {
            state.cap.id: state.uses[0].used
            for state in caps.states(customer=self.world.customer, at=worker.now)
        }
        in_force = [(made, limit) for made, limit in self.caps if limit.is_in_force]
        assert states == {made.id: worker.total(limit) for made, limit in in_force}


@pytest.mark.django_db
def test_the_customer_and_the_model_never_disagree() -> None:
    lives, steps = RUNS.split("x")
    run_state_machine_as_test(
        WorkMachine,
        settings=settings(max_examples=int(lives), stateful_step_count=int(steps), deadline=None),
    )
