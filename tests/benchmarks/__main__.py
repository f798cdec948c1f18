"""Measures S1 to S7, S9 and S10 in one command; see `tests.benchmarks.throughput`.

    uv run python -m tests.benchmarks [--only S1,S3] [--rounds 5] [--seconds 4] [--workers 2]
        [--quick]

Starts a PostgreSQL and a Valkey of its own beside this run and removes them after.
"""

import importlib
import os
import sys

import django
from django.core.management import call_command

from tests import servers

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
    with servers.running():
        django.setup()
        call_command("migrate", verbosity=0)
        # Only now can models be imported.
        sys.exit(importlib.import_module("tests.benchmarks.throughput").main(sys.argv[1:]))
