"""Cells of a CSV file that people open in a spreadsheet."""

# What a spreadsheet takes for the beginning of a formula, also in wide letters, or of a new cell.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def text(value: str) -> str:
    """Return a text that stays one: an apostrophe goes before what would be read as a formula.

    For texts that somebody else may have chosen. A number of ours is written as it is.
    """
    return f"'{value}" if value.startswith(_FORMULA) else value
