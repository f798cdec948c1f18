"""What an orchestrator asks: does the process live, and may it be sent traffic?"""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse


def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process answers at all."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database can be written, keeps what it commits and is migrated."""
    try:
        checks = _database_settings() | {"migrations_current": _is_migrated()}
    except DatabaseError:
        checks = {"database_reached": False}
    return JsonResponse(checks, status=200 if all(checks.values()) else 503)


def _database_settings() -> dict[str, bool]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::bool,
                current_setting('fsync')::bool AND current_setting('synchronous_commit') <> 'off'
            """
        )
        writable, durable = cursor.fetchone()
    return {"database_writable": writable, "commits_are_durable": durable}


def _is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
