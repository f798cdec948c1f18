"""The ASGI entry point: events by the fast lane, if there is one, everything else by Django."""

import os

import django
from django.conf import settings

from billing_site.measured_bodies import measured_stream
from billing_site.sync_asgi import ThreadedHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
django.setup(set_prefix=False)
_django = measured_stream(ThreadedHandler(), most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

# Models can be imported only now.
from metering.fast_lane import FastLane  # noqa: E402

application = FastLane(_django) if settings.FAST_LANE else _django
