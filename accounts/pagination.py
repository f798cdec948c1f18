"""Cursor pagination: stable while rows are added, the same cost on every page.

A cursor is the place of the last row shown: its moment and, between rows of one moment (a batch of
10,000 events has only one), its id. So no row is shown twice and none is passed over.
"""

import base64
import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.utils.urls import replace_query_param

from accounts.problems import Problem

SIZE_DEFAULT = 50
SIZE_MAX = 500


class Order(NamedTuple):
    """Newest first: by a moment, then by an id. Both are names of fields."""

    moment: str = "created_at"
    id: str = "id"


NEWEST_FIRST = Order()


class Place(NamedTuple):
    """Where a row stands in an order."""

    moment: dt.datetime
    id: uuid.UUID

    def to_cursor(self) -> str:
        """Write the place as a cursor."""
        return cursor_of(f"{self.moment.isoformat()} {self.id}")

    @classmethod
    def of_cursor(cls, cursor: str) -> "Place":
        """Read a cursor. Raises ValueError for one that no page gave."""
        moment, _, row_id = text_of(cursor).partition(" ")
        try:
            return cls(dt.datetime.fromisoformat(moment).astimezone(dt.UTC), uuid.UUID(row_id))
        except OverflowError as error:
            raise ValueError(cursor) from error

    def rows_after(self, order: Order = NEWEST_FIRST) -> Q:
        """Return the condition of the rows that follow this one."""
        # Said twice so that the index on the moment bounds the scan.
        return Q(**{f"{order.moment}__lte": self.moment}) & (
            Q(**{f"{order.moment}__lt": self.moment}) | Q(**{f"{order.id}__lt": self.id})
        )


def cursor_of(text: str) -> str:
    """Write an ASCII text as a cursor, which nobody is tempted to read or to make up."""
    return base64.urlsafe_b64encode(text.encode("ascii")).decode().rstrip("=")


def text_of(cursor: str) -> str:
    """Read back what `cursor_of` wrote. Raises ValueError for anything else."""
    padded = cursor + "=" * (-len(cursor) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")


class Pages(BasePagination):
    """How the schema describes a list; `page` makes one."""

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Return the query parameters of every list."""
        cursor = {"type": "string", "description": "From `next` of the page before."}
        limit = {"type": "integer", "minimum": 1, "maximum": SIZE_MAX, "default": SIZE_DEFAULT}
        return [
            {"name": "cursor", "in": "query", "required": False, "schema": cursor},
            {"name": "limit", "in": "query", "required": False, "schema": limit},
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the shape of a page whose rows have `schema`."""
        description = "The address of the next page, or null on the last one."
        link = {"type": "string", "format": "uri", "nullable": True, "description": description}
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": link, "results": schema},
        }


def documented[View: Callable[..., Any]](view: View) -> View:
    """Tell the schema that a function view's list comes in pages."""
    view.cls.pagination_class = Pages  # type: ignore[attr-defined]
    return view


def page(
    request: Request,
    rows: QuerySet[Any, Any],
    serializer: type[BaseSerializer[Any]],
    *,
    order: Order = NEWEST_FIRST,
) -> Response:
    """Answer with the page of `rows` that the request asks for. Raises Problem."""
    limit = limit_of(request)
    cursor = request.query_params.get("cursor")
    if cursor is not None:
        rows = rows.filter(_place_of(cursor).rows_after(order))
    found = list(rows.order_by(f"-{order.moment}", f"-{order.id}")[: limit + 1])
    shown = found[:limit]
    following = None
    if len(found) > limit:
        last = shown[-1]
        place = Place(getattr(last, order.moment), getattr(last, order.id))
        following = link_to(request, place.to_cursor())
    return Response({"next": following, "results": serializer(shown, many=True).data})


def limit_of(request: Request) -> int:
    """Return how many rows a page should have. Raises Problem."""
    text = request.query_params.get("limit")
    if text is None:
        return SIZE_DEFAULT
    if text.isascii() and text.isdecimal() and len(text) <= len(str(SIZE_MAX)):
        limit = int(text)
        if 1 <= limit <= SIZE_MAX:
            return limit
    raise _invalid("limit", f"must be a whole number from 1 to {SIZE_MAX}")


def link_to(request: Request, cursor: str) -> str:
    """Return the address of the page that begins at `cursor`, everything else as asked."""
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))


def _place_of(cursor: str) -> Place:
    try:
        return Place.of_cursor(cursor)
    except ValueError as error:
        raise not_a_cursor() from error


def not_a_cursor() -> Problem:
    """Return what to answer to a cursor that no page gave."""
    return _invalid("cursor", "is not a cursor that a page gave you")


def _invalid(parameter: str, reason: str) -> Problem:
    return Problem(422, "invalid", "The request is not valid.", errors=[(parameter, reason)])
