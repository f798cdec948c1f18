"""The admin's own log of actions, read by organization.

Django's log has no column for a tenant, so the organization travels inside the entry's message,
which is JSON. A name somebody typed cannot imitate it: quotes in a JSON text are escaped.
"""

import json
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.tenant_admin.seats import seat_of


def mark(request: HttpRequest) -> dict[str, Any]:
    """Return the part of a message that says in which organization the action was taken."""
    seat = seat_of(request)
    return {"organization": str(seat.organization.id) if seat else ""}


def entries(request: HttpRequest) -> QuerySet[LogEntry]:
    """Return what was done in the organization of the request."""
    return LogEntry.objects.filter(
        change_message__contains=json.dumps(mark(request))
    ).select_related("content_type", "user")
