"""Mistakes in what somebody wrote, each named by the field it is in."""

from typing import NamedTuple


class FieldError(NamedTuple):
    """A mistake and the field it is in, for example `matrix.cells[3].unit_amount`."""

    field: str
    reason: str
