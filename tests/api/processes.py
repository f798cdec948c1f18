"""Programs of the product, run for real on the database of the tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

from billing_site import embedded


@contextmanager
def running(*arguments: str | Path, log: Path, **variables: str) -> Iterator[None]:
    """Run `python -m` with these arguments until the block ends; it prints into `log`.

    The database must be one that other connections see: a test with `transaction=True`.
    """
    database = str(connection.settings_dict["NAME"])
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=embedded.CHECKOUT,
            env={**os.environ, "DATABASE_URL": url, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
