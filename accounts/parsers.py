"""Reading request bodies: JSON with exact numbers, of bounded size."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from accounts import exact_json
from accounts.problems import Problem


class ExactJSONParser(BaseParser):
    """Parses `application/json`; a number becomes int or Decimal, digit for digit."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's value. Raises ParseError (400) and Problem (413)."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise Problem(413, "too_large", f"A body may have at most {limit // 1024 // 1024} MiB.")
        try:
            return exact_json.decode(body)
        except exact_json.JSONInvalid as error:
            raise ParseError(f"The body is not valid JSON: {error}") from error
