"""What every model in the admin does, whether its rows belong to an organization or not."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import DELETION, LogEntry
from django.db import models
from django.http import Http404, HttpRequest, HttpResponseRedirect

from accounts.tenant_admin import action_log

if TYPE_CHECKING:
    # The class takes a type parameter only in its stubs.
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class LoggedAdmin(_ModelAdmin):
    """Logs what is done under the organization it was done in; answers 404 to unknown ids."""

    view_on_site = False

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Log a new row."""
        return super().log_addition(request, obj, [*message, action_log.mark(request)])

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Log a change; `message` is Django's list or a sentence."""
        parts = message if isinstance(message, list) else [{"changed": {"fields": [message]}}]
        return super().log_change(request, obj, [*parts, action_log.mark(request)])

    def log_deletions(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[LogEntry]:
        """Log deletions, before they happen."""
        entries: list[LogEntry] = LogEntry.objects.log_actions(
            user_id=str(request.user.pk),
            queryset=queryset,
            action_flag=DELETION,
            change_message=[action_log.mark(request)],
        )
        return entries

    def _get_obj_does_not_exist_redirect(
        self,
        request: HttpRequest,
        opts: Any,
        object_id: str,
    ) -> HttpResponseRedirect:
        # Django would go to the index page with a message; an id of somebody else's row, or of
        # none, is simply not found.
        raise Http404(f"There is no such {opts.verbose_name}.")
