"""What can be wrong with an expression: as it is written, or with the event it meets."""

_SHOWN = 16


class ExpressionInvalid(ValueError):
    """The text is no expression.

    `reason` says why, `position` at which character (the first is 1; None when it is the whole).
    """

    def __init__(self, reason: str, *, position: int | None = None) -> None:
        super().__init__(f"at character {position}: {reason}" if position else reason)
        self.reason = reason
        self.position = position

    def shown_in(self, text: str) -> str:
        """Return the reason for whoever wrote `text`, with the place of the mistake marked."""
        if self.position is None:
            return self.reason
        before, after = text[: self.position - 1], text[self.position - 1 :]
        head = f"…{before[-_SHOWN:]}" if len(before) > _SHOWN else before
        tail = f"{after[:_SHOWN]}…" if len(after) > _SHOWN else after
        return f"at character {self.position}, “{head}▸{tail}”: {self.reason}"


class ExpressionFailed(Exception):
    """The expression has no value for this event; `detail` says why.

    `missing` is the property that the event does not have, or empty when it is something else.
    """

    def __init__(self, detail: str, *, missing: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.missing = missing
