"""Tables of the parties and their books."""

from accounts.models.api_keys import ApiKey, Scope
from accounts.models.assets import AmountField, Asset
from accounts.models.credits import CreditAccount, CreditGrant
from accounts.models.customers import (
    Customer,
    PortalMembership,
    validate_external_id,
    validate_time_zone,
)
from accounts.models.holds import Hold, HoldDraw, HoldState, OnExpiry
from accounts.models.ledger_entries import Contra, EntryKind, LedgerEntry
from accounts.models.organizations import (
    EDITING_ROLES,
    Membership,
    Organization,
    Role,
    TenantModel,
    TenantQuerySet,
    User,
)
from accounts.models.proofs import Parking, ProofDifference, ProofRun
from accounts.models.stored_answers import StoredAnswer

__all__ = [
    "EDITING_ROLES",
    "AmountField",
    "ApiKey",
    "Asset",
    "Contra",
    "CreditAccount",
    "CreditGrant",
    "Customer",
    "EntryKind",
    "Hold",
    "HoldDraw",
    "HoldState",
    "LedgerEntry",
    "Membership",
    "OnExpiry",
    "Organization",
    "Parking",
    "PortalMembership",
    "ProofDifference",
    "ProofRun",
    "Role",
    "Scope",
    "StoredAnswer",
    "TenantModel",
    "TenantQuerySet",
    "User",
    "validate_external_id",
    "validate_time_zone",
]
