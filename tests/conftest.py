"""What every test may rely on: a database that can be emptied, fast passwords, one world."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import hypothesis
import pytest
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import override_settings

from tests import guarded_tables
from tests.running_product import RunningProduct
from tests.worlds import VideoWorld, open_video_world

# A shared machine makes any single example slow now and then; that is no failure.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def _fast_passwords() -> Iterator[None]:
    """Hash passwords the cheap way: what is tested is never the hash."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _flush_with_triggers_off() -> Iterator[None]:
    """Let the flush after a transactional test empty tables that refuse TRUNCATE."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def execute_sql_flush(operations: BaseDatabaseOperations, sql_list: Sequence[str]) -> None:
        with guarded_tables.unguarded():
            flush(operations, sql_list)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", execute_sql_flush)
        yield


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests that run the whole product one home, so that it is seeded once.

    The space in its name is on purpose.
    """
    home = tmp_path_factory.mktemp("demo") / "a home"
    yield home
    RunningProduct(home).remove()


@pytest.fixture
def checks_at_once(db: None) -> None:
    """Check deferred constraints with each statement, as the commit of a real one would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def video(db: None) -> VideoWorld:
    """An organization selling video minutes, and its customer with 100.00 USD."""
    return open_video_world()
