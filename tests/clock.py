"""The moments tests happen at. Long past for every real clock, so that both can be mixed."""

import datetime as dt

SINCE = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
"""When everything the factories make began."""

NOW = dt.datetime(2025, 3, 10, 12, tzinfo=dt.UTC)
"""When tests that pass the time as an argument happen."""

NEVER_PAST = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
"""Still to come for the database, which has a clock of its own."""

SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
