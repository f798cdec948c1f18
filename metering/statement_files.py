"""Statements as CSV files: a row for each entry, the oldest first, with every digit.

The file is written while it is read, so its length is no matter. Figures are plain decimals; texts
that somebody else has chosen stay texts in a spreadsheet, see `accounts.csv_cells`.
"""

import csv
from collections.abc import Collection, Iterator, Sequence

from accounts import csv_cells, money
from accounts.statements import Span
from metering import statements
from metering.statements import Line

CONTENT_TYPE = "text/csv; charset=utf-8"
COLUMNS = (
    "asset", "version", "at", "kind", "amount", "balance_after", "grant", "grant_name", "reference",
    "cause", "id", "source", "type",
)  # fmt: skip
_ROWS_AT_ONCE = 500


class _Lines(list[str]):
    """Collects what a CSV writer writes."""

    def write(self, text: str) -> int:
        """Take one row."""
        self.append(text)
        return len(text)


def rows(spans: Sequence[Span], *, kinds: Collection[str] = ()) -> Iterator[str]:
    """Yield a statement as CSV in pieces of some hundred rows."""
    written = _Lines()
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for line in statements.read_all(spans, kinds=kinds):
        writer.writerow(_row(line))
        if len(written) >= _ROWS_AT_ONCE:
            yield "".join(written)
            written.clear()
    yield "".join(written)


def _row(line: Line) -> tuple[str, ...]:
    grant, cause = line.grant, line.cause
    return (
        csv_cells.text(line.asset.code),
        str(line.version),
        line.at.isoformat(),
        line.kind,
        money.to_wire(line.amount),
        money.to_wire(line.balance_after),
        str(grant.id) if grant is not None else "",
        csv_cells.text(grant.title) if grant is not None else "",
        str(cause.key),
        cause.kind,
        csv_cells.text(cause.id),
        csv_cells.text(cause.source),
        csv_cells.text(cause.type),
    )


def name_of(customer_name: str) -> str:
    """Return what to call the file: plain letters, whatever the customer is called."""
    plain = "".join(each if each.isascii() and each.isalnum() else "-" for each in customer_name)
    return f"statement-{plain[:60].strip('-') or 'customer'}.csv"
