"""The audit of the books: everything the ledger promises, computed again from its entries.

The database refuses what would break a promise, and the audit does not take its word for it. What
it finds is for a person to explain. The floors above have audits of their own.
"""

from accounts.checks import SINCE, Check

# What counts the rows each check looks at, by organization.
COUNTS = {
    "accounts": "SELECT organization_id, count(*) FROM accounts_creditaccount GROUP BY 1",
    "grants": "SELECT organization_id, count(*) FROM accounts_creditgrant GROUP BY 1",
    "holds": "SELECT organization_id, count(*) FROM accounts_hold GROUP BY 1",
    "ledger entries": """
        SELECT organization_id, count(*) FROM accounts_ledgerentry
        WHERE at >= current_setting('drawdown.checked_since')::timestamptz GROUP BY 1
    """,
}

# Each recent entry beside the one before it, which may be old.
_BESIDE_THE_ONE_BEFORE = f"""
    FROM accounts_ledgerentry entry
    LEFT JOIN accounts_ledgerentry before
        ON before.organization_id = entry.organization_id
        AND before.account_id = entry.account_id
        AND before.account_version = entry.account_version - 1
    WHERE entry.at >= {SINCE}
"""
_RECENT = """
    SELECT entry.organization_id,
        format('account %s entry %s', entry.account_id, entry.account_version),
"""
_OF_ENTRY = "(SELECT customer_id FROM accounts_creditaccount WHERE id = entry.account_id)"
_GAP_BEFORE_RECENT = f"""
    {_RECENT} 'the entry before it is missing', {_OF_ENTRY} {_BESIDE_THE_ONE_BEFORE}
        AND entry.account_version <> 1 AND before.account_version IS NULL
"""
_LEAP_OF_RECENT = f"""
    {_RECENT} format('%s moved by %s is not %s',
        before.balance_after, entry.amount, entry.balance_after), {_OF_ENTRY}
    {_BESIDE_THE_ONE_BEFORE}
        AND entry.balance_after <> coalesce(before.balance_after, 0) + entry.amount
"""

CHAIN = [
    Check(
        "the entries of an account are numbered from 1 without a gap",
        """
        SELECT organization_id, format('account %s', account_id),
            format('%s entries from %s to %s',
                count(*), min(account_version), max(account_version)),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = account_id)
        FROM accounts_ledgerentry
        GROUP BY organization_id, account_id
        HAVING min(account_version) <> 1 OR max(account_version) <> count(*)
        """,
        over="ledger entries",
        recent=_GAP_BEFORE_RECENT,
    ),
    Check(
        "each entry moves the balance by its amount",
        """
        SELECT organization_id, format('account %s entry %s', account_id, account_version),
            format('%s moved by %s is not %s', before, amount, balance_after),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = account_id)
        FROM (
            SELECT *, lag(balance_after, 1, 0::numeric) OVER (
                PARTITION BY organization_id, account_id ORDER BY account_version
            ) AS before
            FROM accounts_ledgerentry
        ) entry
        WHERE balance_after <> before + amount
        """,
        over="ledger entries",
        recent=_LEAP_OF_RECENT,
    ),
    Check(
        "an account stands at its newest entry",
        """
        SELECT account.organization_id, format('account %s', account.id),
            format('at version %s with %s, its newest entry is %s with %s',
                account.version, account.balance, newest.version, newest.balance),
            account.customer_id
        FROM accounts_creditaccount account
        LEFT JOIN LATERAL (
            SELECT account_version AS version, balance_after AS balance
            FROM accounts_ledgerentry entry
            WHERE entry.organization_id = account.organization_id
                AND entry.account_id = account.id
            ORDER BY account_version DESC LIMIT 1
        ) newest ON true
        WHERE account.version <> coalesce(newest.version, 0)
            OR account.balance <> coalesce(newest.balance, 0)
        """,
        over="accounts",
        is_light=True,
    ),
    Check(
        "a balance is the sum of its entries",
        """
        SELECT account.organization_id, format('account %s', account.id),
            format('has %s, its entries add up to %s', account.balance, entries.total),
            account.customer_id
        FROM accounts_creditaccount account
        LEFT JOIN (
            SELECT organization_id, account_id, sum(amount) AS total
            FROM accounts_ledgerentry GROUP BY organization_id, account_id
        ) entries ON entries.organization_id = account.organization_id
            AND entries.account_id = account.id
        WHERE account.balance <> coalesce(entries.total, 0)
        """,
        over="ledger entries",
    ),
    Check(
        "an entry belongs to an account and a grant of its own organization",
        """
        SELECT coalesce(account.organization_id, entry.organization_id),
            format('account %s entry %s', entry.account_id, entry.account_version),
            format('account of %s, grant of account %s',
                account.organization_id, credit.account_id),
            account.customer_id
        FROM accounts_ledgerentry entry
        LEFT JOIN accounts_creditaccount account ON account.id = entry.account_id
        LEFT JOIN accounts_creditgrant credit ON credit.id = entry.grant_id
        WHERE account.organization_id IS DISTINCT FROM entry.organization_id
            OR (entry.grant_id IS NOT NULL
                AND credit.account_id IS DISTINCT FROM entry.account_id)
        """,
        over="ledger entries",
    ),
    Check(
        "a reversal gives back to the grant that paid, and no more than was taken",
        """
        SELECT entry.organization_id,
            format('account %s entry %s', entry.account_id, entry.account_version),
            format('%s for grant %s reverses %s for grant %s',
                entry.amount, entry.grant_id, taken.amount, taken.grant_id),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = entry.account_id)
        FROM accounts_ledgerentry entry
        LEFT JOIN accounts_ledgerentry taken
            ON taken.organization_id = entry.organization_id
            AND taken.account_id = entry.account_id
            AND taken.account_version = entry.reverses_version
        WHERE entry.kind = 'reversal' AND (
            taken.kind IS DISTINCT FROM 'usage'
            OR taken.reference <> entry.reference
            OR taken.account_version > entry.account_version
            OR entry.amount > -taken.amount
            OR (taken.grant_id IS NOT NULL
                AND (entry.grant_id IS DISTINCT FROM taken.grant_id
                    OR entry.amount <> -taken.amount))
        )
        """,
        over="ledger entries",
    ),
]

GRANTS = [
    Check(
        "a grant has left what its entries add up to",
        """
        SELECT credit.organization_id, format('grant %s', credit.id),
            format('has %s left, its entries add up to %s', credit.remaining, entries.total),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = credit.account_id)
        FROM accounts_creditgrant credit
        LEFT JOIN (
            SELECT grant_id, sum(amount) AS total
            FROM accounts_ledgerentry WHERE grant_id IS NOT NULL GROUP BY grant_id
        ) entries ON entries.grant_id = credit.id
        WHERE credit.remaining <> coalesce(entries.total, 0)
        """,
        over="grants",
    ),
    Check(
        "a grant enters the balance once, with its whole amount, when it is posted",
        # Usage below zero that a later grant has repaid is reversed into a grant of its own, which
        # then enters by that reversal.
        """
        SELECT credit.organization_id, format('grant %s', credit.id),
            format('of %s entered with %s, posted at %s',
                credit.amount, coalesce(entered.total, 0), coalesce(credit.posted_at::text, '-')),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = credit.account_id)
        FROM accounts_creditgrant credit
        LEFT JOIN (
            SELECT entry.account_id, sum(entry.amount) AS total,
                CASE entry.kind WHEN 'grant' THEN entry.reference ELSE entry.grant_id END AS id
            FROM accounts_ledgerentry entry
            LEFT JOIN accounts_ledgerentry taken
                ON taken.organization_id = entry.organization_id
                AND taken.account_id = entry.account_id
                AND taken.account_version = entry.reverses_version
            WHERE entry.kind = 'grant'
                OR (entry.kind = 'reversal' AND entry.grant_id IS NOT NULL
                    AND taken.grant_id IS NULL)
            GROUP BY 1, 3
        ) entered ON entered.account_id = credit.account_id AND entered.id = credit.id
        WHERE coalesce(entered.total, 0)
            <> CASE WHEN credit.posted_at IS NULL THEN 0 ELSE credit.amount END
        """,
        over="grants",
    ),
    Check(
        "a grant pays only from its effective time on",
        """
        SELECT entry.organization_id, format('grant %s', credit.id),
            format('effective from %s, paid at %s', credit.effective_at, entry.at),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = credit.account_id)
        FROM accounts_ledgerentry entry
        JOIN accounts_creditgrant credit ON credit.id = entry.grant_id
        WHERE entry.kind = 'usage' AND entry.at < credit.effective_at
        """,
        over="ledger entries",
    ),
    # The clocks of machines differ, so what was entered before a void may say a little after it.
    Check(
        "a grant that is over pays only what holds made before had reserved on it",
        """
        SELECT credit.organization_id, format('grant %s', credit.id),
            format('expires at %s, voided at %s, paid %s since, holds took %s of it',
                coalesce(credit.expires_at::text, '-'), coalesce(credit.voided_at::text, '-'),
                late.total, coalesce(drawn.total, 0)),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = credit.account_id)
        FROM accounts_creditgrant credit
        JOIN (
            SELECT entry.grant_id, -sum(entry.amount) AS total
            FROM accounts_ledgerentry entry
            JOIN accounts_creditgrant credit ON credit.id = entry.grant_id
            WHERE entry.kind = 'usage'
                AND (
                    entry.at >= credit.expires_at
                    OR entry.at > credit.voided_at + interval '1 minute'
                )
            GROUP BY entry.grant_id
        ) late ON late.grant_id = credit.id
        LEFT JOIN LATERAL (
            SELECT sum(draw.captured) AS total
            FROM accounts_holddraw draw JOIN accounts_hold hold ON hold.id = draw.hold_id
            WHERE draw.grant_id = credit.id
                AND hold.created_at < coalesce(credit.expires_at, 'infinity')
                AND hold.created_at
                    <= coalesce(credit.voided_at + interval '1 minute', 'infinity')
        ) drawn ON true
        WHERE late.total > coalesce(drawn.total, 0)
        """,
        over="grants",
    ),
    Check(
        "nothing is left of a voided grant but what open holds need",
        """
        SELECT organization_id, format('grant %s', id),
            format('has %s left, of it %s reserved, voided at %s', remaining, held, voided_at),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = account_id)
        FROM accounts_creditgrant
        WHERE voided_at IS NOT NULL AND remaining <> held
        """,
        over="grants",
        is_light=True,
    ),
    Check(
        "of a grant carried over no more is left than was carried, or open holds need",
        """
        SELECT organization_id, format('grant %s', id),
            format('has %s left, of it %s reserved, carried %s', remaining, held, carried),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = account_id)
        FROM accounts_creditgrant
        WHERE carried IS NOT NULL AND remaining > greatest(carried, held)
        """,
        over="grants",
        is_light=True,
    ),
    Check(
        "nothing is left of a grant whose expiry was booked",
        """
        SELECT organization_id, format('grant %s', id),
            format('has %s left, expired at %s', remaining, expired_at),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = account_id)
        FROM accounts_creditgrant
        WHERE expired_at IS NOT NULL AND remaining <> 0
        """,
        over="grants",
        is_light=True,
    ),
    Check(
        "a grant holds no less than nothing and reserves no more than it has",
        """
        SELECT organization_id, format('grant %s', id),
            format('%s reserved of %s left of %s', held, remaining, amount),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = account_id)
        FROM accounts_creditgrant
        WHERE held < 0 OR held > remaining OR remaining > amount
        """,
        over="grants",
        is_light=True,
    ),
]

ACCOUNTS = [
    Check(
        "no debt is repaid twice",
        """
        SELECT organization_id, format('account %s', account_id),
            format('%s more was repaid than was owed', sum(amount)),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = account_id)
        FROM accounts_ledgerentry
        WHERE grant_id IS NULL
        GROUP BY organization_id, account_id
        HAVING sum(amount) > 0
        """,
        over="ledger entries",
    ),
    Check(
        "no account is below its floor",
        """
        SELECT organization_id, format('account %s', id),
            format('%s, of it %s reserved, with a floor of %s', balance, held, floor),
            customer_id
        FROM accounts_creditaccount
        WHERE balance - held < floor OR held < 0 OR floor > 0
        """,
        over="accounts",
        is_light=True,
    ),
]

HOLDS = [
    Check(
        "an account reserves what its open holds draw",
        """
        SELECT account.organization_id, format('account %s', account.id),
            format('%s reserved, open holds draw %s', account.held, coalesce(open.total, 0)),
            account.customer_id
        FROM accounts_creditaccount account
        LEFT JOIN (
            SELECT hold.account_id, sum(draw.amount) AS total
            FROM accounts_holddraw draw JOIN accounts_hold hold ON hold.id = draw.hold_id
            WHERE hold.state = 'open'
            GROUP BY hold.account_id
        ) open ON open.account_id = account.id
        WHERE account.held <> coalesce(open.total, 0)
        """,
        over="accounts",
        is_light=True,
    ),
    Check(
        "a grant reserves what open holds draw on it",
        """
        SELECT credit.organization_id, format('grant %s', credit.id),
            format('%s reserved, open holds draw %s', credit.held, coalesce(open.total, 0)),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = credit.account_id)
        FROM accounts_creditgrant credit
        LEFT JOIN (
            SELECT draw.grant_id, sum(draw.amount) AS total
            FROM accounts_holddraw draw JOIN accounts_hold hold ON hold.id = draw.hold_id
            WHERE hold.state = 'open'
            GROUP BY draw.grant_id
        ) open ON open.grant_id = credit.id
        WHERE credit.held <> coalesce(open.total, 0)
        """,
        over="grants",
        is_light=True,
    ),
    Check(
        "a hold has captured and reserves what its draws say, and nothing once it has ended",
        """
        SELECT hold.organization_id, format('hold %s', hold.id),
            format('%s of %s captured and %s, drawn %s and still %s', hold.captured, hold.amount,
                hold.state, coalesce(drawn.captured, 0), coalesce(drawn.reserved, 0)),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = hold.account_id)
        FROM accounts_hold hold
        LEFT JOIN (
            SELECT hold_id, sum(amount) AS reserved, sum(captured) AS captured
            FROM accounts_holddraw GROUP BY hold_id
        ) drawn ON drawn.hold_id = hold.id
        WHERE hold.captured <> coalesce(drawn.captured, 0)
            OR coalesce(drawn.reserved, 0)
                <> CASE hold.state WHEN 'open' THEN hold.amount - hold.captured ELSE 0 END
        """,
        over="holds",
    ),
    Check(
        "a hold draws on grants of its own account",
        """
        SELECT draw.organization_id, format('hold %s', draw.hold_id),
            format('account %s, draws on grant %s of account %s',
                hold.account_id, draw.grant_id, credit.account_id),
            (SELECT customer_id FROM accounts_creditaccount WHERE id = hold.account_id)
        FROM accounts_holddraw draw
        LEFT JOIN accounts_hold hold
            ON hold.organization_id = draw.organization_id AND hold.id = draw.hold_id
        LEFT JOIN accounts_creditgrant credit ON credit.id = draw.grant_id
        WHERE hold.id IS NULL
            OR (draw.grant_id IS NOT NULL AND credit.account_id IS DISTINCT FROM hold.account_id)
        """,
        over="holds",
    ),
]

CHECKS = (*CHAIN, *GRANTS, *ACCOUNTS, *HOLDS)
