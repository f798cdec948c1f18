"""The ASGI entry point: events by the fast lane, if there is one, everything else by Django."""

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

from billing_site.measured_bodies import measured_stream

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")
_django = measured_stream(get_asgi_application(), most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

# Models can be imported only now.
from metering.fast_lane import FastLane  # noqa: E402

application = FastLane(_django) if settings.FAST_LANE else _django
