"""Tables in plain text: how they are read however they were pasted, and written so they line up.

Columns are separated by tabs (as spreadsheets copy them), bars, semicolons or commas, whichever
the first row has. A value with a separator, a quote or outer spaces in it stands in double quotes,
with quotes inside doubled. Rows are counted from 1 as people see them, the first row included.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

COLUMNS_MAX = 200
_MISTAKES_SHOWN = 50
_SEPARATORS = "\t|;,"
_CELL = re.compile(r"cells\[(\d+)\]")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class Mistake(NamedTuple):
    """What is wrong in a table and where; `reason` is a sentence or the end of one."""

    reason: str
    row: int | None = None
    column: str = ""

    def __str__(self) -> str:
        if self.row is None:
            return f"Column {self.column}: {self.reason}" if self.column else self.reason
        where = f"Row {self.row}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.reason}"


def plainly(reason: str, lines: Sequence[int] = ()) -> str:
    """Return a reason of the price form in words for people who do not write JSON.

    With `lines`, the rows of a table take the place of cells.
    """
    if reason.startswith("must be a decimal number"):
        return "must be a number such as 12.50"
    return _CELL.sub(lambda found: f"row {lines[int(found[1])]}", reason) if lines else reason


class TableInvalid(ValueError):
    """The text is not the table that was asked for; `mistakes` says row by row why."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__(" ".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def sentences(mistakes: Sequence[object]) -> list[str]:
    """Return the first so many mistakes as sentences, and how many more there are."""
    shown = [str(mistake) for mistake in mistakes[:_MISTAKES_SHOWN]]
    if len(mistakes) > len(shown):
        shown.append(f"{len(mistakes) - len(shown)} more mistakes.")
    return shown


def as_data(mistakes: Sequence[Mistake]) -> str:
    """Return the first so many mistakes as JSON, for the script that draws the table."""
    return json.dumps([mistake._asdict() for mistake in mistakes[:_MISTAKES_SHOWN]])


class Row(NamedTuple):
    """One row: the number of the line it starts on, from 1, and its values."""

    line: int
    values: list[str]


def read(text: str, *, separators: str = _SEPARATORS) -> list[Row]:
    """Return the rows that hold anything. Raises TableInvalid for a quote that never ends."""
    rows = _rows(text.replace("\r\n", "\n").replace("\r", "\n"), separators)
    return [row for row in rows if any(row.values)]


def read_with_header(text: str) -> tuple[list[str], list[Row]]:
    """Return the names in the first row and the rows below, each as wide as the first.

    Raises TableInvalid when there is no row below, when a column has no name or one that another
    has too, or when a row is too wide. Missing values at the end of a row are empty.
    """
    rows = read(text)
    if not rows:
        raise TableInvalid([Mistake("The table is empty.")])
    header, *below = rows
    names = header.values
    if len(names) > COLUMNS_MAX:
        raise TableInvalid([Mistake(f"has more than {COLUMNS_MAX} columns.", header.line)])
    mistakes = list(_mistakes_of(header))
    if not below:
        mistakes.append(Mistake("The table needs at least one row below the first."))
    mistakes += [
        Mistake(f"has {len(row.values)} columns, the first row has {len(names)}.", row.line)
        for row in below
        if len(row.values) > len(names)
    ]
    if mistakes:
        raise TableInvalid(mistakes)
    return names, [Row(row.line, _padded(row.values, len(names))) for row in below]


def _padded(values: list[str], width: int) -> list[str]:
    return values + [""] * (width - len(values))


def _mistakes_of(header: Row) -> Iterator[Mistake]:
    names = header.values
    for name in dict.fromkeys(names):
        if name and names.count(name) > 1:
            yield Mistake(f"the first row names {name} twice.", header.line, name)
    for number, name in enumerate(names, 1):
        if not name:
            yield Mistake(f"column {number} has no name.", header.line)


def _rows(text: str, separators: str) -> Iterator[Row]:
    separator = _separator(text, separators)
    field = re.compile(
        rf'[ \xa0]*"(?P<quoted>(?:[^"]|"")*)"[ \xa0]*(?P<after>{separator}|\n|\Z)'
        rf"|(?P<bare>[^{separator}\n]*)(?P<end>{separator}|\n|\Z)"
    )
    line, values, position, ending = 1, list[str](), 0, "\n"
    while ending:
        found = field.match(text, position)
        if found is None or (found["bare"] or "").lstrip().startswith('"'):
            raise TableInvalid([Mistake("has a double quote that does not end its value.", line)])
        quoted = found["quoted"]
        values.append(found["bare"].strip() if quoted is None else quoted.replace('""', '"'))
        position = found.end()
        ending = found["end"] if quoted is None else found["after"]
        if ending in ("\n", ""):
            yield Row(line, values)
            line += 1 + sum(value.count("\n") for value in values)
            values = []


def _separator(text: str, separators: str) -> str:
    """Return the separator of the first row as a regular expression."""
    first_row = _QUOTED.sub("", text).lstrip("\n").partition("\n")[0]
    return re.escape(next((each for each in separators if each in first_row), separators[-1]))


def write(rows: Iterable[Sequence[str]]) -> str:
    """Write rows of one width with bars between columns that line up; `read` reads them back."""
    quoted = [[_quoted(value) for value in row] for row in rows]
    widths = [max(len(value) for value in column) for column in zip(*quoted, strict=True)]
    return "\n".join(
        " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in quoted
    )


def _quoted(value: str) -> str:
    if value == value.strip() and not re.search(r'[|"\t\r\n]', value):
        return value
    return '"' + value.replace('"', '""') + '"'
