"""Writing answers: JSON in which a number has the digits it came with."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.utils.functional import Promise
from rest_framework.renderers import BaseRenderer


def _text_of(value: object) -> str:
    """Write what the framework uses for texts: translated ones, and error details."""
    if isinstance(value, str | Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")


_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_text_of)


class ExactJSONRenderer(BaseRenderer):
    """Renders `application/json`. Amounts are strings by then; other decimals become numbers."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8 and nothing else.

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; an answer without data has none."""
        return b"" if data is None else _encoder.encode(data)
