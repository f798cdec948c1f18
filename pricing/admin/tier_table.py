"""Tiers as a table in plain text: up to how many units, at which price, and a flat amount.

    up to | price | flat
    1000  | 0.01  | 5
    above | 0.008 |

The first row may be left out. What `price` means is for the charge model to say: an amount for
each unit, the amount of a step, or a percentage.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pricing.admin import cell_texts, text_tables
from pricing.admin.cell_texts import Step
from pricing.admin.text_tables import Mistake, TableInvalid

COLUMNS = ("up to", "price", "flat")
_OTHER_NAMES = {
    "up to": "up to", "price": "price", "flat": "flat",
    "unit amount": "price", "percentage": "price", "flat amount": "flat",
}  # fmt: skip


class TierTable(NamedTuple):
    """Tiers as they were typed, and the row each of them stands in."""

    steps: list[Step]
    lines: list[int]

    def tiers(self, main: str) -> list[dict[str, Any]]:
        """Return the tiers as a definition writes them; a step has its amount and no other."""
        steps = self.steps
        if main == "flat_amount":
            steps = [Step(step.up_to, step.main or step.flat) for step in steps]
        return cell_texts.tiers_of(steps, main)

    def place(self, path: str, reason: str, main: str) -> Mistake:
        """Return a mistake of the price form, such as `[1].up_to`, in the table."""
        parts = path.replace("[", ".").replace("]", "").strip(".").split(".")
        if not parts[0].isdecimal() or int(parts[0]) >= len(self.lines):
            return Mistake(f"The tiers: {' '.join([*parts, reason]).strip()}.")
        names = {"up_to": "up to", main: "price", "flat_amount": "flat"}
        names |= {main: "price"}
        column = names.get(parts[-1], "")
        return Mistake(f"{reason}.", self.lines[int(parts[0])], column)


def parse(text: str) -> TierTable:
    """Read tiers. Raises TableInvalid; bounds and amounts are for the price form to judge."""
    rows = text_tables.read(text)
    names: Sequence[str] = COLUMNS
    if rows and (header := _header(rows[0].values)):
        names, rows = header, rows[1:]
    wide = [row for row in rows if len(row.values) > len(names)]
    if wide:
        reason = f"has {len(wide[0].values)} columns; tiers have {', '.join(names)}."
        raise TableInvalid([Mistake(reason, wide[0].line)])
    named = [dict(zip(names, row.values, strict=False)) for row in rows]
    mistakes = list(_mistakes(named, [row.line for row in rows]))
    if mistakes:
        raise TableInvalid(mistakes)
    return TierTable(
        steps=[
            Step(
                cell_texts.up_to(row.get("up to", "")),
                cell_texts.amount(row.get("price", "")),
                cell_texts.amount(row.get("flat", "")),
            )
            for row in named
        ],
        lines=[row.line for row in rows],
    )


def _header(values: Sequence[str]) -> list[str]:
    names = [_OTHER_NAMES.get(value.replace("_", " ").casefold(), "") for value in values]
    return names if all(names) and len(set(names)) == len(names) else []


def _mistakes(rows: Sequence[Mapping[str, str]], lines: Sequence[int]) -> Iterator[Mistake]:
    for row, line in zip(rows, lines, strict=True):
        if not row.get("price") and not row.get("flat"):
            yield Mistake("is empty; write 0 for a tier that is free.", line, "price")


def render(steps: Sequence[Step]) -> str:
    """Write tiers as a table that `parse` reads back the same."""
    has_flat = any(step.flat for step in steps)
    rows = [COLUMNS] + [(step.up_to or cell_texts.ABOVE, step.main, step.flat) for step in steps]
    return text_tables.write([row if has_flat else row[:2] for row in rows])
