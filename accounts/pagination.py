"""Cursor pagination: stable while rows are added, the same cost on every page.

A cursor is the place of the last row shown: its moment and, between rows of one moment (a batch of
10,000 events has only one), its id. So no row is shown twice and none is passed over.
"""

import base64
import binascii
import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.models import Model, Q, QuerySet
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
    limit = _limit(request)
    cursor = request.query_params.get("cursor")
    if cursor is not None:
        rows = rows.filter(_after(_place_of(cursor), order))
    found = list(rows.order_by(f"-{order.moment}", f"-{order.id}")[: limit + 1])
    shown = found[:limit]
    following = _link(request, shown[-1], order) if len(found) > limit else None
    return Response({"next": following, "results": serializer(shown, many=True).data})


def _limit(request: Request) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return SIZE_DEFAULT
    if text.isascii() and text.isdecimal() and len(text) <= len(str(SIZE_MAX)):
        limit = int(text)
        if 1 <= limit <= SIZE_MAX:
            return limit
    raise _invalid("limit", f"must be a whole number from 1 to {SIZE_MAX}")


def _after(place: Place, order: Order) -> Q:
    # Said twice so that the index on the moment bounds the scan.
    return Q(**{f"{order.moment}__lte": place.moment}) & (
        Q(**{f"{order.moment}__lt": place.moment}) | Q(**{f"{order.id}__lt": place.id})
    )


def _link(request: Request, last: Model, order: Order) -> str:
    place = f"{getattr(last, order.moment).isoformat()} {getattr(last, order.id)}"
    cursor = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))


def _place_of(cursor: str) -> Place:
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        moment, _, row_id = text.partition(" ")
        place = Place(dt.datetime.fromisoformat(moment).astimezone(dt.UTC), uuid.UUID(row_id))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise _invalid("cursor", "is not a cursor that a page gave you") from error
    return place


def _invalid(parameter: str, reason: str) -> Problem:
    return Problem(422, "invalid", "The request is not valid.", errors=[(parameter, reason)])
