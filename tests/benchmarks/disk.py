"""The disk below the database: how often it is flushed, and how long a flush takes."""

import re
import subprocess
import tempfile
import time

from django.db import connection

from billing_site import embedded
from tests.benchmarks import yardsticks

SECONDS_UNTIL_TOLD = 11
"""After so long even an idle connection has told what it did."""

_FDATASYNC = re.compile(r"fdatasync\s+([0-9.]+) ops/sec")


def flushes() -> int:
    """Return how often the log was flushed to disk so far; takes some seconds, to miss none."""
    time.sleep(SECONDS_UNTIL_TOLD)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        # From version 18 on; before, pg_stat_wal.wal_sync.
        cursor.execute("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'")
        return int(cursor.fetchone()[0])


def fdatasync_seconds() -> float:
    """Return how long one fdatasync of 8 kB takes beside the database's files."""
    beside = (embedded.home() / "postgres").resolve().parent
    with tempfile.NamedTemporaryFile(dir=beside, prefix="fsync-") as file:
        test = subprocess.Popen(
            [yardsticks.programs() / "pg_test_fsync", "--secs-per-test", "1", "-f", file.name],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert test.stdout is not None
        printed = ""
        # It goes on for a quarter of a minute with what nobody asked for here.
        for line in test.stdout:
            printed += line
            if rate := _FDATASYNC.search(printed):
                break
        test.terminate()
        test.wait(10)
    assert rate, printed
    return 1 / float(rate[1])
