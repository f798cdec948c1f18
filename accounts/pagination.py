"""Cursor pagination: stable while rows are added, the same cost on every page."""

from collections.abc import Callable
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer


class NewestFirst(CursorPagination):
    """Pages by time of creation; `next` is the link to follow, or null."""

    ordering: str | tuple[str, ...] = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500


def documented[View: Callable[..., Any]](view: View) -> View:
    """Tell the schema that a function view's list comes in pages."""
    view.cls.pagination_class = NewestFirst  # type: ignore[attr-defined]
    return view


def page(
    request: Request,
    rows: QuerySet[Any, Any],
    serializer: type[BaseSerializer[Any]],
    *,
    paginator: type[NewestFirst] = NewestFirst,
) -> Response:
    """Answer with the page of `rows` that the request asks for."""
    pages = paginator()
    shown: list[Model] | None = pages.paginate_queryset(rows, request)
    return pages.get_paginated_response(serializer(shown, many=True).data)
