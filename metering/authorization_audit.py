"""The audit of authorizations: against their holds, their events, and the caps they reserve."""

from accounts.checks import Check

# What counts the rows each check looks at, by organization.
COUNTS = {
    "authorizations": "SELECT organization_id, count(*) FROM metering_authorization GROUP BY 1",
    "cap reservations": "SELECT organization_id, count(*) FROM metering_capreservation GROUP BY 1",
}

CHECKS = (
    Check(
        "what a hold took is what its events took out of it, and at its expiry what it asked for",
        """
        SELECT hold.organization_id, format('hold %s', hold.id),
            format('%s, captured %s of %s, reported %s, on expiry %s; events took %s, expiry %s',
                hold.state, hold.captured, hold.amount, hold.reported, hold.on_expiry,
                events.taken, expiry.taken),
            authorized.customer_id
        FROM accounts_hold hold
        CROSS JOIN LATERAL (
            SELECT coalesce(-sum(entry.amount), 0) AS taken
            FROM accounts_ledgerentry entry
            WHERE entry.organization_id = hold.organization_id
                AND entry.account_id = hold.account_id
                AND entry.reference = hold.reference AND entry.kind = 'usage'
        ) expiry
        CROSS JOIN LATERAL (
            SELECT coalesce(-sum(entry.amount), 0) AS taken
            FROM metering_event event
            JOIN accounts_ledgerentry entry
                ON entry.organization_id = event.organization_id
                AND entry.reference = event.key AND entry.account_id = hold.account_id
                AND entry.kind = 'usage'
            WHERE event.organization_id = hold.organization_id
                AND event.authorization_id = hold.reference
        ) events
        JOIN metering_authorization authorized
            ON authorized.organization_id = hold.organization_id
            AND authorized.id = hold.reference
        WHERE hold.captured - expiry.taken NOT BETWEEN 0 AND events.taken
            OR CASE WHEN hold.state = 'expired' THEN
                CASE hold.on_expiry
                    WHEN 'capture_full' THEN hold.captured <> hold.amount
                    WHEN 'capture_reported' THEN hold.captured < hold.reported
                        OR (expiry.taken > 0 AND hold.captured <> hold.reported)
                    ELSE expiry.taken <> 0
                END
            ELSE expiry.taken <> 0 END
        """,
        over="authorizations",
    ),
    Check(
        "an authorization has holds that ended as it did",
        """
        SELECT authorized.organization_id, format('authorization %s', authorized.id),
            format('ended as "%s", expires %s; %s holds: %s', authorized.ended_as,
                authorized.expires_at, held.holds, held.states),
            authorized.customer_id
        FROM metering_authorization authorized
        CROSS JOIN LATERAL (
            SELECT count(*) AS holds, string_agg(DISTINCT hold.state, ', ') AS states,
                count(*) FILTER (WHERE hold.state IN ('captured', 'released')) AS ended,
                count(*) FILTER (WHERE hold.state = 'captured') AS captured,
                count(*) FILTER (WHERE hold.expires_at <> authorized.expires_at
                    OR account.customer_id <> authorized.customer_id) AS foreign_terms
            FROM accounts_hold hold
            JOIN accounts_creditaccount account ON account.id = hold.account_id
            WHERE hold.organization_id = authorized.organization_id
                AND hold.reference = authorized.id
        ) held
        WHERE held.holds = 0 OR held.foreign_terms > 0
            OR held.ended <> CASE authorized.ended_as WHEN '' THEN 0 ELSE held.holds END
            OR (held.captured > 0) <> (authorized.ended_as = 'captured')
        """,
        over="authorizations",
    ),
    Check(
        "an event was captured from an authorization of its own customer",
        """
        SELECT event.organization_id, format('event %s', event.key),
            format('of customer %s was captured from %s of customer %s', event.customer_id,
                event.authorization_id, authorized.customer_id),
            event.customer_id
        FROM metering_event event
        LEFT JOIN metering_authorization authorized
            ON authorized.organization_id = event.organization_id
            AND authorized.id = event.authorization_id
        WHERE event.authorization_id IS NOT NULL
            AND authorized.customer_id IS DISTINCT FROM event.customer_id
        """,
        over="events",
    ),
    Check(
        "an authorization that has ended reserves nothing of a cap",
        """
        SELECT reserved.organization_id, format('authorization %s', authorized.id),
            format('is %s and reserves %s of cap %s', authorized.ended_as, reserved.amount,
                reserved.cap_id),
            authorized.customer_id
        FROM metering_capreservation reserved
        JOIN metering_authorization authorized ON authorized.id = reserved.authorization_id
        WHERE authorized.ended_as <> ''
            OR reserved.ends_at IS DISTINCT FROM authorized.expires_at
                AND reserved.ends_at IS NOT NULL
        """,
        over="cap reservations",
        is_light=True,
    ),
)
