"""What the database refuses in the books, typed by hand at a prompt."""

import uuid
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import (
    Asset,
    CreditAccount,
    CreditGrant,
    LedgerEntry,
    User,
)
from tests.clock import NOW
from tests.factories import (
    ApiKeyFactory,
    AssetFactory,
    CreditAccountFactory,
    CreditGrantFactory,
    CustomerFactory,
    MembershipFactory,
    PortalMembershipFactory,
    UserFactory,
)
from tests.guarded_tables import refused, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant() -> CreditGrant:
    return CreditGrantFactory.create(amount=Decimal(100))


@pytest.fixture
def account(grant: CreditGrant) -> CreditAccount:
    """An account with 100 from one grant: one entry."""
    return CreditAccount.objects.get(id=grant.account_id)


def enter(account: CreditAccount, **changed: Any) -> None:
    """Insert the entry that would follow the account's newest one, but for what is `changed`."""
    amount = changed.get("amount", Decimal(-1))
    entry = {
        "organization_id": account.organization_id,
        "account_id": account.id,
        "account_version": account.version + 1,
        "amount": amount,
        "balance_after": account.balance + amount,
        "kind": "usage",
        "contra": "revenue",
        "reference": uuid.uuid4(),
        "at": NOW,
        **changed,
    }
    LedgerEntry.objects.bulk_create([LedgerEntry(**entry)])


class TestLedger:
    def test_the_entry_that_follows_is_taken_and_moves_the_account(
        self, account: CreditAccount
    ) -> None:
        enter(account)
        account.refresh_from_db()
        assert account.version == 2
        assert account.balance == 99

    @pytest.mark.parametrize("version", [1, 3, 100])
    def test_an_entry_follows_the_newest_one(self, account: CreditAccount, version: int) -> None:
        with refused("do not follow|accounts_ledgerentry_pkey"):
            enter(account, account_version=version)

    def test_versions_start_at_1(self, account: CreditAccount) -> None:
        with refused("entry_version_from_1"):
            enter(account, account_version=0)

    def test_an_entry_adds_up(self, account: CreditAccount) -> None:
        with refused("do not follow"):
            enter(account, balance_after=Decimal("99.000000000001"))

    def test_a_set_of_entries_is_chained_within_itself(self, account: CreditAccount) -> None:
        columns = "account_version, amount, balance_after"
        with refused("do not follow"):
            run(
                f"""
                INSERT INTO accounts_ledgerentry
                    (organization_id, account_id, {columns}, kind, contra, reference, at)
                SELECT %s, %s, {columns}, 'usage', 'revenue', gen_random_uuid(), now()
                FROM (VALUES (2, -1, 99), (4, -1, 98)) AS entry ({columns})
                """,
                account.organization_id,
                account.id,
            )

    def test_an_entry_needs_an_account(self, account: CreditAccount) -> None:
        with refused("do not follow"):
            enter(account, account_id=uuid.uuid4())

    def test_an_entry_stays_in_its_tenant(self, account: CreditAccount) -> None:
        with refused("do not follow"):
            enter(account, organization_id=CustomerFactory.create().organization_id)

    def test_an_entry_draws_on_no_other_accounts_grant(self, account: CreditAccount) -> None:
        sibling = CreditGrantFactory.create(
            account__customer=account.customer, account__asset__own_unit=True
        )
        with refused("do not follow"):
            enter(account, grant_id=sibling.id)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE accounts_ledgerentry SET amount = amount",
            "DELETE FROM accounts_ledgerentry",
            "TRUNCATE accounts_ledgerentry",
            "TRUNCATE accounts_creditaccount CASCADE",
        ],
    )
    def test_the_ledger_is_only_appended_to(self, account: CreditAccount, statement: str) -> None:
        with refused("append_only|never_deleted|never truncated|Cannot (update|delete)"):
            run(statement)

    def test_an_event_is_charged_to_a_grant_once(
        self, account: CreditAccount, grant: CreditGrant
    ) -> None:
        event = uuid.uuid4()
        enter(account, grant_id=grant.id, reference=event)
        account.refresh_from_db()
        with refused("one_usage_entry_per_event_and_grant"):
            enter(account, grant_id=grant.id, reference=event)

    def test_an_event_goes_below_zero_once(self) -> None:
        account = CreditAccountFactory.create(overdraft=True)
        event = uuid.uuid4()
        enter(account, reference=event)
        account.refresh_from_db()
        with refused("one_usage_entry_per_event_and_grant"):
            enter(account, reference=event)

    def test_an_entry_is_reversed_once(self, account: CreditAccount) -> None:
        reversal = {"amount": Decimal(1), "kind": "reversal", "reverses_version": 1}
        enter(account, **reversal)
        account.refresh_from_db()
        with refused("one_reversal_per_entry"):
            enter(account, **reversal)

    @pytest.mark.parametrize(
        ("guard", "changed"),
        [
            ("entry_changes_something", {"amount": Decimal(0)}),
            ("entry_kind_known", {"kind": "gift"}),
            ("entry_kind_known", {"contra": "elsewhere"}),
            ("reversal_names_what_it_reverses", {"kind": "reversal", "amount": Decimal(1)}),
            ("reversal_names_what_it_reverses", {"reverses_version": 1}),
            ("entry_sign_fits_kind", {"amount": Decimal(1)}),
            ("entry_sign_fits_kind", {"kind": "expiry", "amount": Decimal(1)}),
            ("entry_sign_fits_kind", {"kind": "grant", "contra": "cash"}),
        ],
    )
    def test_an_entry_makes_sense(
        self, account: CreditAccount, guard: str, changed: dict[str, Any]
    ) -> None:
        with refused(guard):
            enter(account, **changed)


class TestAccounts:
    @pytest.mark.parametrize(
        "change", ["balance = 99", "version = 0", "version = 2", "version = 0, balance = 0"]
    )
    def test_an_account_points_at_its_newest_entry(
        self, account: CreditAccount, change: str
    ) -> None:
        with refused("does not point at its newest ledger entry"):
            run(f"UPDATE accounts_creditaccount SET {change}")

    def test_an_account_never_moves_back(self, account: CreditAccount) -> None:
        enter(account)
        with refused("does not point at its newest ledger entry"):
            run("UPDATE accounts_creditaccount SET version = 1, balance = 100")

    def test_an_account_starts_empty(self) -> None:
        with refused("starts at version 0"):
            CreditAccountFactory.create(balance=Decimal(1))
        with refused("starts at version 0"):
            CreditAccountFactory.create(version=1)

    def test_an_account_keeps_its_customer(self, account: CreditAccount) -> None:
        other = CustomerFactory.create(organization=account.organization)
        with refused("keeps its customer and asset"):
            CreditAccount.objects.update(customer=other)

    def test_an_account_is_never_deleted(self) -> None:
        account = CreditAccountFactory.create()
        with refused("Cannot delete"):
            run("DELETE FROM accounts_creditaccount WHERE id = %s", account.id)

    def test_a_customer_has_one_account_for_each_asset(self, account: CreditAccount) -> None:
        with refused("account_once_per_asset"):
            CreditAccountFactory.create(customer=account.customer, asset=account.asset)

    def test_nothing_is_spent_below_the_floor(self, account: CreditAccount) -> None:
        with refused("available_not_negative"):
            enter(account, amount=Decimal("-100.000000000001"))

    def test_what_is_held_is_not_spent(self, account: CreditAccount) -> None:
        CreditAccount.objects.update(held=Decimal(50))
        with refused("available_not_negative"):
            enter(account, amount=Decimal(-51))

    @pytest.mark.parametrize(
        ("guard", "change"),
        [
            ("available_not_negative", "held = 101"),
            ("held_not_negative", "held = -1"),
            ("floor_not_positive", "floor = 1"),
        ],
    )
    def test_an_account_makes_sense(self, account: CreditAccount, guard: str, change: str) -> None:
        with refused(guard):
            run(f"UPDATE accounts_creditaccount SET {change}")


class TestGrants:
    @pytest.mark.parametrize(
        "change",
        [
            "organization_id = gen_random_uuid()",
            "account_id = gen_random_uuid()",
            "amount = amount + 1",
            "category = 'refund'",
            "priority = 1",
            "effective_at = effective_at - interval '1 hour'",
            "expires_at = now()",
            "meters = '{tokens}'",
            "reference = 'another payment'",
            "created_at = now()",
        ],
    )
    def test_the_terms_of_a_grant_are_fixed(self, grant: CreditGrant, change: str) -> None:
        with refused("grant_terms_are_fixed|Cannot update"):
            run(f"UPDATE accounts_creditgrant SET {change}")

    @pytest.mark.parametrize("moment", ["NULL", "now() + interval '1 hour'"])
    def test_a_grant_is_voided_once(self, grant: CreditGrant, moment: str) -> None:
        run("UPDATE accounts_creditgrant SET voided_at = now()")
        with refused("grant_voided_once|Cannot update"):
            run(f"UPDATE accounts_creditgrant SET voided_at = {moment}")

    @pytest.mark.parametrize("change", ["held = 101", "held = -1", "remaining = 101"])
    def test_a_grant_stays_within_its_amount(self, grant: CreditGrant, change: str) -> None:
        with refused("grant_held_within_remaining_within_amount"):
            run(f"UPDATE accounts_creditgrant SET {change}")

    @pytest.mark.parametrize("statement", ["DELETE FROM", "TRUNCATE"])
    def test_a_grant_is_never_removed(self, grant: CreditGrant, statement: str) -> None:
        with refused("Cannot delete|never truncated"):
            run(f"{statement} accounts_creditgrant" + " CASCADE" * (statement == "TRUNCATE"))

    def test_a_payment_is_granted_once_in_an_organization(self, grant: CreditGrant) -> None:
        customer = grant.account.customer
        CreditGrantFactory.create(account=grant.account, reference="pay-1")
        with refused("one_grant_per_payment"):
            self.insert(grant.account, reference="pay-1")
        CreditGrantFactory.create(account__customer=CustomerFactory.create(), reference="pay-1")
        assert CreditGrant.objects.for_organization(customer.organization).count() == 2

    @pytest.mark.parametrize(
        ("guard", "terms"),
        [
            ("grant_above_zero", {"amount": Decimal(0)}),
            ("grant_priority_to_100", {"priority": 101}),
            ("priority", {"priority": -1}),
            ("grant_expires_after_effective", {"expires_at": NOW}),
            ("grant_category_known", {"category": "gift"}),
        ],
    )
    def test_a_grant_makes_sense(
        self, account: CreditAccount, guard: str, terms: dict[str, Any]
    ) -> None:
        with refused(guard):
            self.insert(account, **terms)

    @staticmethod
    def insert(account: CreditAccount, **terms: Any) -> None:
        CreditGrant.objects.create(
            **{
                "organization_id": account.organization_id,
                "account": account,
                "amount": Decimal(1),
                "remaining": Decimal(0),
                "category": "paid",
                "effective_at": NOW,
                **terms,
            }
        )


class TestParties:
    def test_external_ids_are_given_once_in_an_organization(self) -> None:
        customer = CustomerFactory.create(external_id="acme")
        CustomerFactory.create(external_id="acme")
        with refused("customer_external_id_once_per_organization"):
            CustomerFactory.create(organization=customer.organization, external_id="acme")

    def test_an_external_id_is_not_empty(self) -> None:
        with refused("customer_external_id_not_empty"):
            CustomerFactory.create(external_id="")

    def test_an_asset_code_is_used_once_in_an_organization(self) -> None:
        asset = AssetFactory.create()
        with refused("asset_code_once_per_organization"):
            Asset.objects.create(organization=asset.organization, code=asset.code, scale=2)

    def test_an_asset_has_at_most_12_places(self) -> None:
        with refused("asset_scale_fits"):
            AssetFactory.create(scale=13)

    def test_a_person_is_a_member_once(self) -> None:
        member = MembershipFactory.create()
        with refused("membership_once_per_organization"):
            MembershipFactory.create(organization=member.organization, user=member.user)

    def test_a_role_is_known(self) -> None:
        with refused("membership_role_known"):
            MembershipFactory.create(role="intern")

    def test_a_person_enters_a_customers_portal_once(self) -> None:
        place = PortalMembershipFactory.create()
        with refused("portal_membership_once_per_customer"):
            PortalMembershipFactory.create(customer=place.customer, user=place.user)

    def test_an_address_is_stored_in_lower_case_and_once(self) -> None:
        UserFactory.create(email="Ann@Example.com")
        with refused("user_email_is_lower_case"):
            User.objects.update(email="Ann@example.com")
        with refused("accounts_user_email"):
            UserFactory.create(email="ann@example.COM")

    def test_a_key_allows_something_and_is_unique(self) -> None:
        key = ApiKeyFactory.create()
        with refused("api_key_allows_something"):
            ApiKeyFactory.create(scopes=[])
        with refused("accounts_apikey_key_hash"):
            ApiKeyFactory.create(key_hash=key.key_hash)
