"""The ledger: the only door through which a balance changes.

Every verb opens a transaction, locks the accounts it is about (sorted, in one statement), books
first what time alone has brought (grants that became effective and, unless the verb only gives
credit, holds and grants that expired), then does its work and writes everything as sets. Callers
that need several verbs in one transaction, such as ingestion, use `lock_books` and `post`
themselves.

The ledger does not know what an event or an invoice is: `reference` is opaque to it.
"""

from accounts.books import Debit, InsufficientCredit, NotReversible, Part
from accounts.burndown import CostBasis
from accounts.ledger.balances import (
    Balance,
    open_account,
    read_balance,
    read_balances,
    read_books,
    read_books_of,
)
from accounts.ledger.grants import (
    CostBasisRefused,
    GrantOrder,
    grant_credit,
    grant_credit_all,
    void_grant,
    withdraw,
)
from accounts.ledger.holds import (
    CaptureOrder,
    HoldOrder,
    capture,
    capture_all,
    extend,
    hold,
    hold_all,
    release,
    report,
)
from accounts.ledger.locks import (
    AlreadyReversed,
    DuplicateReference,
    UnknownAccount,
    lock_books,
    lock_books_of,
    post,
)
from accounts.ledger.usage import DebitOrder, debit, debit_all, expire, reverse, reverse_all
from accounts.passbooks import NotVoidable, Plan
from accounts.postings import Owned
from accounts.reservations import Captured, HoldEnded, HoldState, Shortfall, UnknownHold

__all__ = [
    "AlreadyReversed",
    "Balance",
    "CaptureOrder",
    "Captured",
    "CostBasis",
    "CostBasisRefused",
    "Debit",
    "DebitOrder",
    "DuplicateReference",
    "GrantOrder",
    "HoldEnded",
    "HoldOrder",
    "HoldState",
    "InsufficientCredit",
    "NotReversible",
    "NotVoidable",
    "Owned",
    "Part",
    "Plan",
    "Shortfall",
    "UnknownAccount",
    "UnknownHold",
    "capture",
    "capture_all",
    "debit",
    "debit_all",
    "expire",
    "extend",
    "grant_credit",
    "grant_credit_all",
    "hold",
    "hold_all",
    "lock_books",
    "lock_books_of",
    "open_account",
    "post",
    "read_balance",
    "read_balances",
    "read_books",
    "read_books_of",
    "release",
    "report",
    "reverse",
    "reverse_all",
    "void_grant",
    "withdraw",
]
