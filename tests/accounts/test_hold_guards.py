"""What the database itself refuses to have done to holds."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Hold, HoldDraw
from tests.clock import HOUR, NOW
from tests.factories import CreditGrantFactory, CustomerFactory, HoldDrawFactory, HoldFactory
from tests.guarded_tables import refused, run

pytestmark = pytest.mark.django_db


class TestHolds:
    @pytest.mark.parametrize("state", ["captured_in_full", "released", "expired"])
    def test_a_hold_ends_once(self, state: str) -> None:
        hold = HoldFactory.create(**{state: True})
        with refused("hold_ends_once|Cannot update"):
            Hold.objects.filter(id=hold.id).update(state="released", ended_at=NOW + HOUR)

    def test_a_hold_is_never_deleted(self) -> None:
        HoldFactory.create()
        with refused("Cannot delete"):
            run("DELETE FROM accounts_hold")

    def test_an_account_holds_once_for_each_reference(self) -> None:
        hold = HoldFactory.create()
        with refused("hold_once_per_reference"):
            HoldFactory.create(account=hold.account, reference=hold.reference)

    @pytest.mark.parametrize(
        ("guard", "changed"),
        [
            ("captured_within_hold", {"amount": Decimal(-1)}),
            ("captured_within_hold", {"captured": Decimal(11)}),
            ("captured_within_hold", {"captured": Decimal(-1)}),
            ("reported_within_hold", {"reported": Decimal(11)}),
            ("reported_within_hold", {"reported": Decimal(-1)}),
            ("hold_ended_when_not_open", {"state": "released"}),
            ("hold_ended_when_not_open", {"ended_at": NOW}),
            ("hold_state_known", {"state": "lost", "ended_at": NOW}),
            ("hold_state_known", {"on_expiry": "forget"}),
        ],
    )
    def test_a_hold_makes_sense(self, guard: str, changed: dict[str, Any]) -> None:
        with refused(guard):
            HoldFactory.create(**changed)

    @pytest.mark.parametrize(
        "change",
        [
            "account_id = gen_random_uuid()",
            "reference = gen_random_uuid()",
            "on_expiry = 'capture_full'",
            "created_at = now()",
        ],
    )
    def test_the_terms_of_a_hold_are_fixed(self, change: str) -> None:
        HoldFactory.create()
        with refused("hold_terms_are_fixed|Cannot update"):
            run(f"UPDATE accounts_hold SET {change}")

    @pytest.mark.parametrize(
        "change",
        [
            "amount = 11",
            "captured = 1",
            "state = 'released', ended_at = now()",
            "state = 'captured', captured = 10, ended_at = now()",
        ],
    )
    def test_a_hold_that_changes_agrees_with_its_draws(self, change: str) -> None:
        draw = HoldDrawFactory.create()
        with refused("what its draws say"):
            run(f"UPDATE accounts_hold SET {change}")
        run("UPDATE accounts_holddraw SET amount = 0, captured = 10")
        run("UPDATE accounts_hold SET state = 'captured', captured = 10, ended_at = now()")
        draw.hold.refresh_from_db()
        assert draw.hold.state == "captured"


class TestDraws:
    def test_a_draw_is_on_a_grant_of_the_holds_account(self) -> None:
        grant, hold = CreditGrantFactory.create(), HoldFactory.create()
        with refused("of a grant of the same account"):
            HoldDrawFactory.create(
                hold__account__customer__organization=grant.organization, grant=grant
            )
        with refused("of a grant of the same account"):
            HoldDrawFactory.create(hold=hold, grant_id=uuid.uuid4())

    def test_a_draw_is_of_a_hold(self) -> None:
        organization = CustomerFactory.create().organization
        with refused("of an open hold"):
            HoldDraw.objects.create(
                organization=organization, hold_id=uuid.uuid4(), meter="", amount=1
            )

    @pytest.mark.parametrize("state", ["captured_in_full", "released", "expired"])
    def test_a_hold_that_has_ended_draws_nothing_more(self, state: str) -> None:
        hold = HoldFactory.create(**{state: True})
        with refused("of an open hold"):
            HoldDrawFactory.create(hold=hold)

    def test_nothing_is_drawn_again_when_the_hold_has_ended(self) -> None:
        hold = HoldDrawFactory.create(amount=Decimal(0)).hold
        run("UPDATE accounts_hold SET state = 'released', ended_at = now()")
        with refused("of an open hold"):
            hold.draws.update(amount=Decimal(1))

    @pytest.mark.parametrize("on_grant", [True, False])
    def test_a_hold_draws_once_on_a_grant_for_a_meter(self, on_grant: bool) -> None:
        draw = HoldDrawFactory.create(on_grant=on_grant)
        HoldDrawFactory.create(hold=draw.hold, grant=draw.grant, meter="images")
        with refused("one_draw_per_hold_grant_and_meter"):
            HoldDrawFactory.create(hold=draw.hold, grant=draw.grant)

    @pytest.mark.parametrize(
        "change",
        ["meter = 'images'", "grant_id = gen_random_uuid()", "hold_id = gen_random_uuid()"],
    )
    def test_a_draw_keeps_its_place(self, change: str) -> None:
        HoldDrawFactory.create()
        with refused("draw_keeps_its_place|Cannot update"):
            run(f"UPDATE accounts_holddraw SET {change}")

    @pytest.mark.parametrize("change", ["amount = -1", "captured = -1"])
    def test_a_draw_is_not_negative(self, change: str) -> None:
        HoldDrawFactory.create()
        with refused("draw_not_negative"):
            run(f"UPDATE accounts_holddraw SET {change}")

    @pytest.mark.parametrize("statement", ["DELETE FROM", "TRUNCATE"])
    def test_a_draw_is_never_removed(self, statement: str) -> None:
        HoldDrawFactory.create()
        with refused("Cannot delete|never truncated"):
            run(f"{statement} accounts_holddraw")
