"""How a backtest is done: slice by slice, once, whatever happens to those who do it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection, transaction

from metering import backtest_rows, backtests, tasks
from metering.backtest_tariffs import fingerprint
from metering.models import UNFINISHED, BacktestResult, BacktestRun, BacktestState
from pricing.models import Price, ShortfallPolicy
from tests.clock import DAY, HOUR, SINCE
from tests.factories import BacktestRunFactory
from tests.metering.past import TODAY, amounts, backtest, sold
from tests.price_menu import MENU, Shop
from tests.races.crowds import crowd_of

NAMES = ("matrix", "users", "peak", "percentage", "volume", "latest", "stored", "committed")
WHOLE = {"range_starts_at": SINCE, "range_ends_at": TODAY, "at": TODAY}


class Killed(BaseException):
    """What a worker feels when it is killed: nothing of ours catches it."""


def asked(shop: Shop, **wanted: Any) -> BacktestRun:
    version = wanted.pop("plan_version", shop.plan_version)
    return backtests.request_backtest(plan_version=version, **{**WHOLE, **wanted})


def finished(run: BacktestRun) -> BacktestRun:
    # Later, so that the claim of a worker that died is over.
    while backtests.advance(run_id=run.id, at=TODAY + DAY):
        pass
    run.refresh_from_db()
    return run


def outcome(run: BacktestRun) -> Sequence[Any]:
    """Return everything a run has found out."""
    columns = ("customer", "asset", "charged", "would_be", "events", "unpriced", "uncosted")
    rows = BacktestResult.objects.filter(run=run).order_by("customer").values_list(*columns)
    return [*rows, run.events_done, run.events_unpriced, run.refusals, run.state]


@pytest.mark.django_db
class TestSlices:
    @pytest.mark.parametrize("events", [1, 7])
    def test_of_any_size_find_out_the_same(
        self, monkeypatch: pytest.MonkeyPatch, events: int
    ) -> None:
        shop = sold(NAMES)
        dearer = shop.draft_version(
            {name: MENU["graduated" if name == "matrix" else name] for name in NAMES},
            shortfall_policy=ShortfallPolicy.OVERAGE,
        )
        whole = backtest(dearer)
        monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", events)
        run = asked(shop, plan_version=dearer)
        slices = 0
        while backtests.advance(run_id=run.id, at=TODAY):
            slices += 1
        run.refresh_from_db()
        assert slices > 5
        assert outcome(run) == outcome(whole)
        assert run.place == {}

    def test_of_few_periods_find_out_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = sold(NAMES)
        whole = backtest(shop.plan_version)
        monkeypatch.setattr(backtests, "PERIODS_PER_SLICE", 1)
        assert outcome(finished(asked(shop))) == outcome(whole)

    def test_are_read_a_few_events_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = sold(NAMES)
        whole = backtest(shop.plan_version)
        monkeypatch.setattr(backtest_rows, "EVENTS_AT_ONCE", 3)
        assert outcome(finished(asked(shop))) == outcome(whole)

    def test_do_not_end_where_too_much_would_have_to_be_remembered(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = sold(["users"], customers=1)
        monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", 1)
        monkeypatch.setattr(backtests, "REMEMBERED_MAX", 0)
        run = asked(shop)
        while backtests.advance(run_id=run.id, at=TODAY):
            run.refresh_from_db()
            assert "totals" not in run.place
        run.refresh_from_db()
        assert run.state == BacktestState.DONE

    def test_show_how_far_it_has_come(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = sold(["per_unit"])
        monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", 5)
        run = asked(shop)
        seen = [0]
        while backtests.advance(run_id=run.id, at=TODAY):
            run.refresh_from_db()
            assert run.state == BacktestState.RUNNING
            seen.append(run.events_done)
        assert seen == list(range(0, 5 * len(seen), 5))
        run.refresh_from_db()
        assert run.events_total is not None
        assert run.events_done == run.events_total > seen[-1]


@pytest.mark.django_db
class TestTrouble:
    def test_a_worker_that_dies_loses_its_slice_and_no_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = sold(NAMES)
        whole = backtest(shop.plan_version)
        monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", 20)
        run = asked(shop)
        assert backtests.advance(run_id=run.id, at=TODAY)
        with monkeypatch.context() as patch:
            patch.setattr("metering.backtests.fingerprint", _killing)
            with pytest.raises(Killed):
                backtests.advance(run_id=run.id, at=TODAY)
        assert outcome(finished(run)) == outcome(whole)

    def test_one_that_kills_its_workers_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        run = asked(sold(["per_unit"]))
        with monkeypatch.context() as patch:
            patch.setattr("metering.backtests.fingerprint", _killing)
            for attempt in range(backtests.ATTEMPTS_MAX):
                with pytest.raises(Killed):
                    backtests.advance(run_id=run.id, at=TODAY + attempt * HOUR)
        assert not backtests.advance(run_id=run.id, at=TODAY + DAY)
        run.refresh_from_db()
        assert (run.state, run.finished_at) == (BacktestState.FAILED, TODAY + DAY)
        assert "stopped 5 times" in run.error

    def test_a_draft_that_is_changed_meanwhile_fails_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop = sold(["per_unit"])
        version = shop.draft_version({"per_unit": MENU["rounded"]}, shortfall_policy="overage")
        monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", 5)
        run = asked(shop, plan_version=version)
        assert backtests.advance(run_id=run.id, at=TODAY)
        Price.objects.filter(plan_version=version).update(definition=MENU["package"].definition)
        assert not backtests.advance(run_id=run.id, at=TODAY)
        run.refresh_from_db()
        assert (run.state, run.error[:9]) == (BacktestState.FAILED, "The draft")

    def test_what_nobody_foresaw_fails_it_and_not_the_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken, sound = BacktestRunFactory.create(), asked(sold(["per_unit"]))
        BacktestRun.objects.filter(id=broken.id).update(
            fingerprint=fingerprint(broken.plan_version), place={"customer": "nobody"}
        )
        with pytest.raises(ExceptionGroup):
            backtests.advance_all(at=TODAY)
        broken.refresh_from_db()
        sound.refresh_from_db()
        assert (broken.state, sound.state) == (BacktestState.FAILED, BacktestState.DONE)
        assert broken.error

    def test_a_finished_one_is_left_alone(self) -> None:
        run = backtest(sold(["per_unit"]).plan_version)
        found = outcome(run)
        assert not backtests.advance(run_id=run.id, at=TODAY)
        assert not backtests.advance_all(at=TODAY)
        assert outcome(run) == found


def _killing(version: object) -> str:
    raise Killed


@pytest.mark.django_db
def test_the_task_finds_what_is_to_be_done() -> None:
    run = asked(sold(["per_unit"]))
    tasks.run_backtests()
    run.refresh_from_db()
    assert run.state == BacktestState.DONE


@pytest.mark.django_db(transaction=True)
class TestTwoWorkers:
    def test_do_not_do_one_backtest_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = sold(NAMES)
        whole = backtest(shop.plan_version)
        monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", 10)
        run = asked(shop)

        def work(_: int) -> None:
            while BacktestRun.objects.filter(id=run.id, state__in=UNFINISHED).exists():
                backtests.advance(run_id=run.id, at=TODAY)

        with crowd_of(3) as crowd:
            crowd.at_once(work)
        run.refresh_from_db()
        assert outcome(run) == outcome(whole)

    def test_the_second_goes_away(self) -> None:
        run = asked(sold(["per_unit"]))
        with transaction.atomic():
            BacktestRun.objects.select_for_update().get(id=run.id)
            with crowd_of(1) as crowd:
                assert crowd.at_once(_advance(run)) == [False]
        assert backtests.advance(run_id=run.id, at=TODAY) is False
        run.refresh_from_db()
        assert run.state == BacktestState.DONE

    def test_usage_that_goes_on_meanwhile_makes_no_difference(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The open period is compared as of one moment, also between slices."""
        shop = sold(["graduated", "volume", "stored"], customers=1)
        monkeypatch.setattr(backtests, "EVENTS_PER_SLICE", 7)
        run = asked(shop)
        replay = backtests._Slice._replay

        def replay_while_events_come(*args: Any) -> bool:
            with crowd_of(1) as crowd:
                crowd.at_once(lambda _: shop.record(shop.draft(tokens="3"), at=TODAY))
            return replay(*args)

        monkeypatch.setattr(backtests._Slice, "_replay", replay_while_events_come)
        finished(run)
        [(charged, would_be)] = amounts(run).values()
        assert charged == would_be > 0
        connection.close()


def _advance(run: BacktestRun) -> Callable[[int], bool]:
    return lambda _: backtests.advance(run_id=run.id, at=TODAY)
