"""What an orchestrator asks: does the process live, and may it be sent traffic?"""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse


def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process answers at all."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database can be written and its migrations are current, else 503."""
    try:
        checks = {"database_writable": _is_writable(), "migrations_current": _is_migrated()}
    except DatabaseError:
        checks = {"database_writable": False, "migrations_current": False}
    return JsonResponse(checks, status=200 if all(checks.values()) else 503)


def _is_writable() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT pg_is_in_recovery() AND NOT current_setting(%s)::bool",
            ["transaction_read_only"],
        )
        return bool(cursor.fetchone()[0])


def _is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
