"""Guards that the database itself holds, written once and attached to the tables that need them.

Locks make the books fast and fair; these make them true, also for a statement typed by hand.
"""

from decimal import Decimal

import pgtrigger
from django.db import migrations, models

from accounts import money


def append_only(name: str) -> list[pgtrigger.Trigger]:
    """Refuse UPDATE, DELETE and TRUNCATE on a table whose mistakes are mended by new rows."""
    return [
        pgtrigger.Protect(
            name=f"{name.replace(' ', '_')}_append_only",
            operation=pgtrigger.Update | pgtrigger.Delete,
        ),
        never_truncated(name),
    ]


def never_truncated(name: str) -> pgtrigger.Trigger:
    """Refuse TRUNCATE."""
    return pgtrigger.Trigger(
        name=f"{name.replace(' ', '_')}_never_truncated",
        level=pgtrigger.Statement,
        when=pgtrigger.Before,
        operation=pgtrigger.Truncate,
        func=f"RAISE EXCEPTION '{name} is never truncated' USING ERRCODE = 'restrict_violation';",
    )


def never_deleted(name: str) -> list[pgtrigger.Trigger]:
    """Refuse DELETE and TRUNCATE on a table whose rows change but never go."""
    return [
        pgtrigger.Protect(
            name=f"{name.replace(' ', '_')}_never_deleted", operation=pgtrigger.Delete
        ),
        never_truncated(name),
    ]


# The parent is locked before it is read, so that a change and a publication wait for each other.
_REFUSE_UNLESS_DRAFT = """
PERFORM FROM {table} {parent} WHERE {parent}.id IN ({ids}) FOR SHARE;
IF EXISTS (
    SELECT FROM {table} {parent}
    WHERE {parent}.id IN ({ids}) AND {parent}.state <> 'draft'
) THEN
    RAISE EXCEPTION '{message}'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
RETURN {row};
"""


def frozen_unless_draft(
    name: str, *, table: str, parent: str, message: str
) -> list[pgtrigger.Trigger]:
    """Refuse any change of rows whose `parent` (a row of `table`) is no longer a draft."""
    old, new = f"OLD.{parent}_id", f"NEW.{parent}_id"
    alias = parent.rpartition("_")[2]
    return [
        pgtrigger.Trigger(
            name=f"{name}_is_{what}",
            operation=operation,
            when=pgtrigger.Before,
            func=_REFUSE_UNLESS_DRAFT.format(
                table=table, parent=alias, message=message, ids=ids, row=row
            ),
        )
        for what, operation, ids, row in (
            ("frozen", pgtrigger.Update, f"{old}, {new}", "NEW"),
            ("not_added", pgtrigger.Insert, new, "NEW"),
            ("not_removed", pgtrigger.Delete, old, "OLD"),
        )
    ]


def not_nan(*fields: str, name: str) -> models.CheckConstraint:
    """Refuse NaN. PostgreSQL sorts it above every number, so an upper bound is what it fails."""
    beyond_all = Decimal(10) ** (money.DIGITS - money.PLACES)
    return models.CheckConstraint(
        condition=models.Q(**{f"{field}__lte": beyond_all for field in fields}), name=name
    )


def same_tenant(table: str, column: str, parent: str) -> migrations.RunSQL:
    """Make `table.column` refer only to rows of `parent` in the row's own organization."""
    name = f"{table}_{column}_same_tenant"[:63]
    return migrations.RunSQL(
        sql=(
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" '
            f'FOREIGN KEY (organization_id, "{column}") '
            f'REFERENCES "{parent}" (organization_id, id) DEFERRABLE INITIALLY DEFERRED'
        ),
        reverse_sql=f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
    )
